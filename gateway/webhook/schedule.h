/* When a delivery that failed is tried again. Pure. */
#ifndef OG_WEBHOOK_SCHEDULE_H
#define OG_WEBHOOK_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

#define OG_WEBHOOK_DELAY_MAX_MS (INT64_C(8) * 3600 * 1000)

/* How long to wait after the `attempts`th (from 1 on) has failed: base_ms, four times as long after each, at most 8 h, and a quarter
 * more or less of it, as `random` says: what failed together does not come back together. With 5 s ten attempts take a day. */
int64_t og_webhook_delay_ms(int64_t base_ms, int64_t attempts, uint32_t random);

/* How long until what is watched is looked at again, when it was begun `age_ms` ago: soon at first, then every minute. That is for
 * what nobody tells the end of, because its gateway died. */
int64_t og_watch_delay_ms(int64_t age_ms);

/* Whether what the scheduler does not know, `times` in a row and for `ms` by now, never came to be, or is forgotten. Once is not enough,
 * however old it is: a scheduler that was away answers before it has read what has come meanwhile. */
bool og_watch_is_lost(int64_t times, int64_t ms);

#endif
