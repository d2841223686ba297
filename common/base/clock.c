#include "base/clock.h"

#include <stdio.h>
#include <time.h>

static int64_t read_us(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t og_clock_mono_us(void)
{
	return read_us(CLOCK_MONOTONIC);
}

int64_t og_clock_mono_ms(void)
{
	return og_clock_mono_us() / 1000;
}

int64_t og_clock_wall_ms(void)
{
	return read_us(CLOCK_REALTIME) / 1000;
}

void og_clock_format(int64_t wall_ms, char out[static 25])
{
	time_t s = (time_t)(wall_ms / 1000);
	struct tm tm;
	char text[64];

	gmtime_r(&s, &tm);
	snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900, tm.tm_mon + 1,
		tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int)(wall_ms % 1000));
	snprintf(out, 25, "%.24s", text);
}
