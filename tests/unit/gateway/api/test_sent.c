#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "api/sent.h"

static struct og_sent sent;

static void add(const char *delta)
{
	char chunk[512];

	snprintf(chunk, sizeof(chunk), "{\"choices\":[{\"index\":0,\"delta\":%s,\"finish_reason\":null}]}", delta);
	og_sent_add(&sent, chunk, strlen(chunk));
}

/* The rest that leads to `message`, as text; "none" where there is none. The caller frees. */
static char *rest_to(const char *message)
{
	char text[1024];
	json_t *response, *rest;
	char *out;

	snprintf(text, sizeof(text),
		"{\"id\":\"c\",\"object\":\"chat.completion\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,"
		"\"message\":%s,\"finish_reason\":\"stop\"}],\"usage\":{\"total_tokens\":3}}",
		message);
	response = json_loads(text, 0, NULL);
	cr_assert_not_null(response);
	rest = og_sent_rest(&sent, response);
	out = rest ? json_dumps(json_object_get(json_array_get(rest, 0), "choices"), JSON_COMPACT) : strdup("none");
	if (rest) {
		cr_expect_eq(json_array_size(rest), 2);
		cr_expect_not_null(json_object_get(json_array_get(rest, 1), "usage"));
	}
	json_decref(rest);
	json_decref(response);
	return out;
}

#define EXPECT_REST(message, expected)                                                                                 \
	do {                                                                                                           \
		char *rest_ = rest_to(message);                                                                        \
		cr_expect_str_eq(rest_, expected);                                                                     \
		free(rest_);                                                                                           \
	} while (0)

Test(sent, the_rest_is_what_did_not_go_out)
{
	og_sent_init(&sent);
	add("{\"role\":\"assistant\",\"content\":null}");
	add("{\"content\":\"Hel\"}");
	add("{\"content\":\"lo \\u00e5\"}");
	EXPECT_REST("{\"content\":\"Hello å, you\"}",
		"[{\"index\":0,\"finish_reason\":\"stop\",\"delta\":{\"content\":\", you\"}}]");
	EXPECT_REST(
		"{\"content\":\"Hello å\"}", "[{\"index\":0,\"finish_reason\":\"stop\",\"delta\":{\"content\":\"\"}}]");
	og_sent_done(&sent);
}

Test(sent, another_answer_has_no_rest)
{
	og_sent_init(&sent);
	add("{\"content\":\"Hello\"}");
	EXPECT_REST("{\"content\":\"Hallo you\"}", "none");
	EXPECT_REST("{\"content\":\"Hell\"}", "none");
	og_sent_done(&sent);
}

Test(sent, of_nothing_the_rest_is_all)
{
	og_sent_init(&sent);
	EXPECT_REST("{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"t\"}]}",
		"[{\"index\":0,\"finish_reason\":\"stop\",\"delta\":{\"role\":\"assistant\",\"content\":null,"
		"\"tool_calls\":[{\"id\":\"t\",\"index\":0}]}}]");
	og_sent_done(&sent);
}

Test(sent, what_is_no_text_cannot_be_gone_on_with)
{
	og_sent_init(&sent);
	add("{\"tool_calls\":[{\"index\":0,\"id\":\"t\"}]}");
	EXPECT_REST("{\"content\":\"Hello\"}", "none");
	og_sent_done(&sent);
}

Test(sent, what_has_no_choices_is_no_answer)
{
	json_t *empty = json_pack("{s:[]}", "choices");

	og_sent_init(&sent);
	cr_expect_null(og_sent_rest(&sent, NULL));
	cr_expect_null(og_sent_rest(&sent, empty));
	json_decref(empty);
	og_sent_done(&sent);
}

Test(sent, long_streams_are_remembered_by_length_and_hash)
{
	static char text[90000];
	json_t *response, *rest;

	og_sent_init(&sent);
	for (int i = 0; i < 8000; i++) {
		add("{\"content\":\"ten bytes.\"}");
		memcpy(text + i * 10, "ten bytes.", 10);
	}
	cr_expect_leq(sent.raw.room, 32768);
	strcpy(text + 80000, "end");
	response = json_pack("{s:s, s:[{s:i, s:{s:s}, s:s}]}", "object", "chat.completion", "choices", "index", 0,
		"message", "content", text, "finish_reason", "stop");
	rest = og_sent_rest(&sent, response);
	cr_assert_not_null(rest);
	cr_expect_str_eq(json_string_value(json_object_get(
				 json_object_get(json_array_get(json_object_get(json_array_get(rest, 0), "choices"), 0),
					 "delta"),
				 "content")),
		"end");
	json_decref(rest);
	json_decref(response);
	og_sent_done(&sent);
}
