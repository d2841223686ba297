/* Removes files that have expired, each by whichever gateway claims it, and what gateways that died left: half written,
 * or without a record. */
#ifndef OG_GATEWAY_FILES_KEEPER_H
#define OG_GATEWAY_FILES_KEEPER_H

#include "api/api.h"

struct og_file_keeper;

struct og_file_keeper *og_file_keeper_open(struct og_api *api);
/* Before the store is closed; it is freed when the store and its thread are done with it. NULL is fine. */
void og_file_keeper_close(struct og_file_keeper *k);

#endif
