#include "changes.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "leaks.h"

TestSuite(changes, .timeout = 60);

/* The ids of what changed, in one word. */
static const char *changed(struct og_changes *c, const char *jobs)
{
	static char ids[64];
	json_t *list = json_loads(jobs, 0, NULL), *out, *job;
	size_t i;

	cr_assert_not_null(list);
	out = og_changes_of(c, list);
	ids[0] = '\0';
	json_array_foreach(out, i, job)
	{
		strcat(ids, json_string_value(json_object_get(job, "id")));
	}
	json_decref(out);
	json_decref(list);
	return ids;
}

#define JOB(id, state, more) "{\"id\":\"" id "\",\"state\":\"" state "\"" more "}"

Test(changes, what_is_new_or_moved_is_told_once_and_the_oldest_first)
{
	struct og_changes *c = og_changes_new();

	cr_expect_str_eq(changed(c, "[" JOB("b", "queued", "") "," JOB("a", "running", "") "]"), "ab");
	cr_expect_str_eq(changed(c, "[" JOB("b", "queued", "") "," JOB("a", "running", "") "]"), "");
	cr_expect_str_eq(
		changed(c, "[" JOB("c", "queued", "") "," JOB("b", "running", "") "," JOB("a", "running", "") "]"),
		"bc");
	cr_expect_str_eq(changed(c, "[" JOB("b", "running", ",\"attempt\":2") "]"), "b", "another attempt");
	cr_expect_str_eq(
		changed(c, "[" JOB("b", "running", ",\"attempt\":2,\"node_name\":\"NodeB\"") "]"), "b", "another node");
	cr_expect_str_eq(changed(c, "[]"), "");
	og_changes_free(c);
}

Test(changes, a_line_of_a_change)
{
	json_t *job = json_pack("{s:s, s:s, s:s, s:I, s:i, s:s}", "id", "1", "state", "done", "tier", "T", "ended_ms",
		(json_int_t)1700000000123, "attempt", 2, "node_name", "NodeB");
	char *line = og_change_line(job);

	cr_expect_str_eq(line, "2023-11-14T22:13:20.123Z 1 done T attempt 2 NodeB");
	free(line);
	json_decref(job);
}
