#include "shell/history.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

static struct og_event event = {
	.at_ms = 7, .what = "handed_back", .attempt = 2, .node_name = "A", .error = "engine_cut"};

Test(history, a_line_comes_back_as_it_was)
{
	og_autofree char *line = NULL, *text = NULL;
	json_t *list;

	event.words = "it said\t\"no\"\nand went";
	line = og_event_line(&event);
	cr_expect_null(strpbrk(line, "\t\n"), "one line, whatever the words");
	text = og_printf("%s\t{broken\t%s", line, line);
	list = og_history_read(text);
	cr_assert_eq(json_array_size(list), 2);
	cr_expect_str_eq(json_string_value(json_object_get(json_array_get(list, 1), "words")), event.words);
	cr_expect_eq(json_integer_value(json_object_get(json_array_get(list, 0), "attempt")), 2);
	cr_expect_null(json_object_get(json_array_get(list, 0), "worker"));
	json_decref(list);
}

Test(history, words_are_cut)
{
	char words[2000];
	og_autofree char *line = NULL;

	memset(words, 'x', sizeof(words) - 1);
	words[sizeof(words) - 1] = '\0';
	event.words = words;
	line = og_event_line(&event);
	cr_expect_lt(strlen(line), OG_HISTORY_WORDS + 120);
}

Test(history, a_job_that_went_straight_to_its_end_is_told_by_its_times)
{
	json_t *job =
		json_pack("{s:s, s:i, s:i, s:i, s:i, s:i, s:s, s:s}", "state", "failed", "attempt", 1, "accepted_ms", 5,
			"placed_ms", 6, "started_ms", 7, "ended_ms", 9, "node_name", "A", "error", "engine_error");
	json_t *list = og_history_of_record(job), *last;
	static const char *const whats[] = {"accepted", "placed", "started", "failed"};

	cr_assert_eq(json_array_size(list), 4);
	for (size_t i = 0; i < 4; i++)
		cr_expect_str_eq(json_string_value(json_object_get(json_array_get(list, i), "what")), whats[i]);
	last = json_array_get(list, 3);
	cr_expect_eq(json_integer_value(json_object_get(last, "at_ms")), 9);
	cr_expect_str_eq(json_string_value(json_object_get(last, "error")), "engine_error");
	cr_expect_null(json_object_get(json_array_get(list, 1), "node_name"), "where it was placed says nobody");
	cr_expect_null(json_object_get(json_array_get(list, 0), "attempt"));
	json_decref(list);
	json_decref(job);
}
