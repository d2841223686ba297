/* Looks for batches that nobody runs, and runs them here: any number of gateways do, and each batch is one's at a time. */
#ifndef OG_GATEWAY_BATCH_KEEPER_H
#define OG_GATEWAY_BATCH_KEEPER_H

#include "api/api.h"

struct og_batch_keeper;

struct og_batch_keeper *og_batch_keeper_open(struct og_api *api);
/* Takes no more, and leaves those that run here to the others. */
void og_batch_keeper_stop(struct og_batch_keeper *k);
/* Before the line and the store are closed; it is freed when the store is. NULL is fine. */
void og_batch_keeper_close(struct og_batch_keeper *k);

#endif
