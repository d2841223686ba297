#include "base/backoff.h"

#include <stdlib.h>
#include <sys/random.h>

#define DOUBLINGS_MAX 32 /* beyond it base·2^n would overflow; every cap is far below */

int64_t og_backoff_next(struct og_backoff *b, uint32_t random)
{
	int64_t low = b->base_ms / 2, high = b->base_ms;

	for (unsigned n = 0; n < b->tries && n < DOUBLINGS_MAX && high < b->cap_ms; n++)
		high *= 2;
	if (high > b->cap_ms)
		high = b->cap_ms;
	if (low > high)
		low = high;
	b->tries++;
	return low + (int64_t)(((uint64_t)random * (uint64_t)(high - low + 1)) >> 32);
}

void og_backoff_reset(struct og_backoff *b)
{
	b->tries = 0;
}

uint32_t og_random(void)
{
	uint32_t value;

	/* So few bytes come whole; a kernel that has not got the call runs nothing of ours. */
	if (getrandom(&value, sizeof(value), 0) != sizeof(value))
		abort();
	return value;
}

void og_random_hex(char *out, size_t digits)
{
	uint32_t random = 0;

	for (size_t i = 0; i < digits; i++, random >>= 4) {
		if (i % 8 == 0)
			random = og_random();
		out[i] = "0123456789abcdef"[random & 15];
	}
	out[digits] = '\0';
}
