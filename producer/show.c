#include "show.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/alloc.h"

#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)

void og_show_duration(int64_t ms, char out[static OG_SHOW_SIZE])
{
	if (ms < 0)
		snprintf(out, OG_SHOW_SIZE, "-");
	else if (ms < SECOND)
		snprintf(out, OG_SHOW_SIZE, "%" PRId64 "ms", ms);
	else if (ms < MINUTE)
		snprintf(out, OG_SHOW_SIZE, "%" PRId64 ".%" PRId64 "s", ms / SECOND, ms % SECOND / 100);
	else if (ms < HOUR)
		snprintf(out, OG_SHOW_SIZE, "%" PRId64 "m %" PRId64 "s", ms / MINUTE, ms % MINUTE / SECOND);
	else if (ms < DAY)
		snprintf(out, OG_SHOW_SIZE, "%" PRId64 "h %" PRId64 "m", ms / HOUR, ms % HOUR / MINUTE);
	else
		snprintf(out, OG_SHOW_SIZE, "%" PRId64 "d %" PRId64 "h", ms / DAY, ms % DAY / HOUR);
}

void og_show_bytes(int64_t bytes, char out[static OG_SHOW_SIZE])
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
	double value = (double)bytes;
	size_t unit = 0;

	while (value >= 1024 && unit + 1 < sizeof(units) / sizeof(units[0])) {
		value /= 1024;
		unit++;
	}
	snprintf(out, OG_SHOW_SIZE, unit && value < 100 ? "%.1f %s" : "%.0f %s", value, units[unit]);
}

char *og_show_waiting(const json_t *queues)
{
	char bytes[OG_SHOW_SIZE], most[OG_SHOW_SIZE];
	const json_t *dead = json_object_get(queues, "dead");

	og_show_bytes(og_show_int(queues, "waiting_bytes"), bytes);
	og_show_bytes(og_show_int(queues, "waiting_max_bytes"), most);
	if (!json_is_integer(dead))
		return og_printf("%s of %s wait", bytes, most);
	return og_printf("%s of %s wait, %" JSON_INTEGER_FORMAT " dead letters", bytes, most, json_integer_value(dead));
}

void og_show_tier(struct og_table *table, const json_t *tier)
{
	static const char *const classes[] = {"high", "normal", "batch"};
	const json_t *waiting = json_object_get(tier, "waiting");

	og_table_cell(table, "%s", og_show_text(tier, "id"));
	og_table_cell(table, "%" PRId64, og_show_int(tier, "workers"));
	og_table_cell(table, "%" PRId64 "/%" PRId64, og_show_int(tier, "busy"), og_show_int(tier, "slots"));
	og_table_cell(table, "%" PRId64, og_show_int(tier, "placed"));
	for (size_t i = 0; i < OG_COUNT(classes); i++)
		og_table_cell(table, "%" PRId64, og_show_int(waiting, classes[i]));
}

const char *og_show_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

int64_t og_show_int(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}
