/* Exponential backoff with full jitter (the delay is uniform in [base/2, min(cap, base·2^n)]), so that a thousand nodes
 * that lost one broker do not come back in step. Pure: the random number comes from outside. */
#ifndef OG_BASE_BACKOFF_H
#define OG_BASE_BACKOFF_H

#include <stddef.h>
#include <stdint.h>

struct og_backoff {
	int64_t base_ms, cap_ms;
	unsigned tries; /* so far without success */
};

int64_t og_backoff_next(struct og_backoff *b, uint32_t random); /* ms to wait before the next try; counts it */
void og_backoff_reset(struct og_backoff *b);
uint32_t og_random(void);                     /* from the kernel */
void og_random_hex(char *out, size_t digits); /* digits lower-case hex characters and a NUL */

#endif
