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

static void read_done(const char *error_type, const char *body, char **ret_started, char **ret_ended)
{
	const struct og_message m = {.body = (const unsigned char *)body, .body_len = strlen(body)};
	const struct og_envelope done = {.state = error_type ? "failed" : "done",
		.error_type = error_type,
		.attempt = 1,
		.run_ms = 5,
		.node = error_type ? NULL : "n",
		.node_name = "A"};

	og_events_of_done(&done, &m, 100, ret_started, ret_ended);
}

Test(history, of_a_done)
{
	char *started, *ended;

	read_done(NULL, "{\"error\":{\"message\":\"an answer is not read\"}}", &started, &ended);
	cr_expect_str_eq(started, "{\"at_ms\":95,\"what\":\"started\",\"attempt\":1,\"node_name\":\"A\"}");
	cr_expect_null(strstr(ended, "words"));
	free(started);
	free(ended);
	read_done("engine_error", "{\"error\":{\"message\":\"no\"}}", &started, &ended);
	cr_expect_null(started);
	cr_expect_not_null(strstr(ended, "\"words\":\"no\""));
	free(ended);
	read_done("engine_error", "garbage", &started, &ended);
	cr_expect_null(strstr(ended, "words"));
	free(ended);
}
