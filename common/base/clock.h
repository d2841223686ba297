/* Time. Decisions never read a clock themselves: they are given `now`, so that a test can be the clock. */
#ifndef OG_BASE_CLOCK_H
#define OG_BASE_CLOCK_H

#include <stdint.h>

int64_t og_clock_mono_ms(void); /* monotonic, for intervals and time-outs */
int64_t og_clock_mono_us(void);
int64_t og_clock_wall_ms(void); /* since the Unix epoch, for what leaves this process (deadlines, epochs, records) */

/* "2026-11-21T06:31:20.123Z" into out[25]. */
void og_clock_format(int64_t wall_ms, char out[static 25]);

#endif
