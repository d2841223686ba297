#include "webhook/schedule.h"

#define GROWS          4
#define WATCH_FIRST_MS 5000
#define WATCH_MAX_MS   60000
#define LOST_TIMES     5
#define LOST_MS        60000

int64_t og_webhook_delay_ms(int64_t base_ms, int64_t attempts, uint32_t random)
{
	int64_t ms = base_ms < OG_WEBHOOK_DELAY_MAX_MS ? base_ms : OG_WEBHOOK_DELAY_MAX_MS;

	while (--attempts > 0 && ms < OG_WEBHOOK_DELAY_MAX_MS)
		ms = ms < OG_WEBHOOK_DELAY_MAX_MS / GROWS ? ms * GROWS : OG_WEBHOOK_DELAY_MAX_MS;
	return ms - ms / 4 + (int64_t)(((uint64_t)random * (uint64_t)(ms / 2 + 1)) >> 32);
}

int64_t og_watch_delay_ms(int64_t age_ms)
{
	int64_t ms = age_ms / 8;

	return ms < WATCH_FIRST_MS ? WATCH_FIRST_MS : ms > WATCH_MAX_MS ? WATCH_MAX_MS : ms;
}

bool og_watch_is_lost(int64_t times, int64_t ms)
{
	return times >= LOST_TIMES && ms >= LOST_MS;
}
