/* Removes files that the store does not know: their gateway died between their name and their record, so nobody can ask for them. */
#ifndef OG_GATEWAY_FILES_STRAYS_H
#define OG_GATEWAY_FILES_STRAYS_H

#include "api/api.h"

#define OG_STRAY_OLD_MS (INT64_C(24) * 60 * 60 * 1000)

/* Once through gateway.files, for those that were last written before `before_ms` (since the Unix epoch). `over` is called on the
 * loop when that is done: at once where the store cannot be asked, and nothing is removed from then on. */
void og_strays_walk(struct og_api *api, int64_t before_ms, void (*over)(void *ctx), void *ctx);

#endif
