/* The lanes: their heads come up, and are placed when it is their turn. */
#ifndef OG_SCHEDULER_LANES_H
#define OG_SCHEDULER_LANES_H

#include "shell/scheduler.h"

/* Opens the connections that read them; they go with the term. */
int og_lanes_open(struct og_scheduler *s, struct og_error *err);
void og_lanes_close(struct og_scheduler *s);

/* Places what is next in the tier, as long as there is room for it. */
void og_lanes_pump(struct og_scheduler *s, unsigned tier);
void og_lanes_pump_all(struct og_scheduler *s);
/* Whether every lane has been read to its end by now; `reading`: all of them are read just now. */
void og_lanes_look(struct og_scheduler *s, bool reading, int64_t now);
/* What has been at the doors for too long goes to its lane. */
void og_lanes_clear_doors(struct og_scheduler *s, int64_t now);

#endif
