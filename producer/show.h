/* Values from JSON answers as people read them. */
#ifndef OG_SHOW_H
#define OG_SHOW_H

#include <jansson.h>
#include <stdint.h>

#include "table.h"

#define OG_SHOW_SIZE 32

/* "250ms", "3.2s", "4m 12s", "2h 5m", "3d 4h"; "-" below zero (clocks differ). */
void og_show_duration(int64_t ms, char out[static OG_SHOW_SIZE]);
/* "512 MiB", "7.8 GiB". */
void og_show_bytes(int64_t bytes, char out[static OG_SHOW_SIZE]);

/* "2.0 KiB of 1.0 GiB wait, 4 dead letters", of the answer to `queues`; the dead where they are known. The caller frees. */
char *og_show_waiting(const json_t *queues);

/* The first seven cells of a tier's row, of the answer to `queues`: its id, workers, busy slots, placed, what waits in each class. */
void og_show_tier(struct og_table *table, const json_t *tier);

const char *og_show_text(const json_t *object, const char *key); /* "" where absent */
int64_t og_show_int(const json_t *object, const char *key);      /* 0 where absent */

#endif
