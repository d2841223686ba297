#include "changes.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "show.h"

struct og_changes {
	json_t *marks; /* by id: what was seen of it last, in one text */
};

struct og_changes *og_changes_new(void)
{
	struct og_changes *c = og_new(struct og_changes);

	c->marks = json_object();
	return c;
}

void og_changes_free(struct og_changes *c)
{
	if (!c)
		return;
	json_decref(c->marks);
	free(c);
}

static json_t *mark_of(const json_t *job)
{
	return json_sprintf("%s %" PRId64 " %s", og_show_text(job, "state"), og_show_int(job, "attempt"),
		og_show_text(job, "node_name"));
}

json_t *og_changes_of(struct og_changes *c, const json_t *jobs)
{
	json_t *changed = json_array(), *marks = json_object();

	for (size_t i = json_array_size(jobs); i-- > 0;) {
		json_t *job = json_array_get(jobs, i);
		const char *id = og_show_text(job, "id");
		json_t *mark = mark_of(job);

		if (!json_equal(mark, json_object_get(c->marks, id)))
			json_array_append(changed, job);
		json_object_set_new(marks, id, mark);
	}
	json_decref(c->marks);
	c->marks = marks;
	return changed;
}

char *og_change_line(const json_t *job)
{
	int64_t attempt = og_show_int(job, "attempt"), at = og_show_int(job, "ended_ms");
	const char *node = og_show_text(job, "node_name");
	og_autofree char *tries = attempt > 1 ? og_printf(" attempt %" PRId64, attempt) : og_strdup("");
	char time[25];

	og_clock_format(at ? at : og_clock_wall_ms(), time);
	return og_printf("%s %s %s %s%s%s%s", time, og_show_text(job, "id"), og_show_text(job, "state"),
		og_show_text(job, "tier"), tries, *node ? " " : "", node);
}
