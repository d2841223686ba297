#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "api/responses/events.h"
#include "base/alloc.h"
#include "leaks.h"

/* What it thinks, says and calls, whole and cut into chunks of so many bytes. */
static const char thinks[] = "hm, ünd", says[] = "Grüße an 世界!", argues[] = "{\"x\":1}";

static json_t *completion(void)
{
	return json_pack("{s:[{s:s, s:{s:s, s:s, s:[{s:s, s:{s:s, s:s}}, {s:s, s:{s:s, s:s}}]}}], s:{s:i, s:i}}",
		"choices", "finish_reason", "tool_calls", "message", "reasoning_content", thinks, "content", says,
		"tool_calls", "id", "c1", "function", "name", "f", "arguments", argues, "id", "c2", "function", "name",
		"g", "arguments", "", "usage", "prompt_tokens", 3, "completion_tokens", 4);
}

static void feed(struct og_response_events *e, json_t *delta, struct og_buf *out)
{
	json_t *chunk = json_pack("{s:[{s:o}]}", "choices", "delta", delta);
	char *text = json_dumps(chunk, JSON_COMPACT);

	og_response_events_chunk(e, text, strlen(text), out);
	free(text);
	json_decref(chunk);
}

/* A piece of at least `n` bytes that ends with a character. */
static size_t piece(const char *text, size_t n)
{
	size_t len = strlen(text);

	if (n >= len)
		return len;
	while (n < len && ((unsigned char)text[n] & 0xc0) == 0x80)
		n++;
	return n;
}

static void feed_text(struct og_response_events *e, const char *key, const char *text, size_t n, struct og_buf *out)
{
	for (size_t len; *text; text += len) {
		len = piece(text, n);
		feed(e, json_pack("{s:s%}", key, text, len), out);
	}
}

static void feed_call(struct og_response_events *e, int index, const char *id, const char *name, const char *args,
	size_t n, struct og_buf *out)
{
	feed(e,
		json_pack("{s:[{s:i, s:s, s:{s:s, s:s}}]}", "tool_calls", "index", index, "id", id, "function", "name",
			name, "arguments", ""),
		out);
	for (size_t len; *args; args += len) {
		len = piece(args, n);
		feed(e,
			json_pack("{s:[{s:i, s:{s:s%}}]}", "tool_calls", "index", index, "function", "arguments", args,
				len),
			out);
	}
}

/* The stream of that answer, for a client that has all up to `after`; chunks of `n` bytes; 0: none is left of them. */
static char *stream(int64_t after, size_t n, int cut)
{
	struct og_response_events e;
	json_t *echo = json_pack("{s:s}", "model", "m"), *whole = completion();
	struct og_buf out;

	og_buf_init(&out, 1 << 20);
	og_response_events_init(&e, "ab", echo, after);
	og_response_events_begin(&e, &out);
	if (n)
		feed_text(&e, "reasoning_content", thinks, n, &out);
	if (n && cut > 0)
		feed_text(&e, "content", says, n, &out);
	if (n && cut > 1)
		feed_call(&e, 0, "c1", "f", argues, n, &out);
	if (n && cut > 2)
		feed_call(&e, 1, "c2", "g", "", n, &out);
	og_response_events_end(&e, whole, &out);
	og_response_events_done(&e);
	json_decref(echo);
	json_decref(whole);
	return og_buf_take(&out);
}

struct seen {
	char texts[3][256]; /* deltas: what it thought, said, argued */
	char order[2048];
	int64_t last;
	json_t *end;
};

static void see(struct seen *s, json_t *event)
{
	static const char *const deltas[] = {"response.reasoning_text.delta", "response.output_text.delta",
		"response.function_call_arguments.delta"};
	const char *type = json_string_value(json_object_get(event, "type"));
	int64_t number = json_integer_value(json_object_get(event, "sequence_number"));

	cr_assert_gt(number, s->last, "%s", type);
	s->last = number;
	for (size_t i = 0; i < 3; i++) {
		if (!strcmp(type, deltas[i])) {
			strcat(s->texts[i], json_string_value(json_object_get(event, "delta")));
			return;
		}
	}
	strcat(strcat(s->order, type + strlen("response.")), " ");
	if (json_object_get(event, "response")) {
		json_decref(s->end);
		s->end = json_incref(json_object_get(event, "response"));
	}
}

static struct seen read_all(char *text, int64_t after)
{
	struct seen s = {.last = after};
	char *save, *line;

	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (!strncmp(line, "data: ", 6)) {
			json_t *event = json_loads(line + 6, 0, NULL);

			cr_assert(event, "%s", line);
			see(&s, event);
			json_decref(event);
		}
	}
	free(text);
	return s;
}

static const char order[] =
	"created in_progress "
	"output_item.added content_part.added reasoning_text.done content_part.done output_item.done "
	"output_item.added content_part.added output_text.done content_part.done output_item.done "
	"output_item.added function_call_arguments.done output_item.done "
	"output_item.added function_call_arguments.done output_item.done completed ";

Test(events, come_in_order_however_the_answer_was_cut)
{
	int64_t last = 0;

	for (size_t n = 0; n < 20; n++) {
		for (int cut = 0; cut < 4; cut++) {
			struct seen s = read_all(stream(-1, n, cut), -1);
			json_t *whole = completion(), *echo = json_object();
			json_t *expected = og_response_ended("ab", echo, whole, NULL);

			cr_expect_str_eq(s.order, order, "%s", s.order);
			cr_expect_str_eq(s.texts[0], thinks);
			cr_expect_str_eq(s.texts[1], says);
			cr_expect_str_eq(s.texts[2], argues);
			cr_expect(json_equal(json_object_get(s.end, "output"), json_object_get(expected, "output")));
			cr_expect(!last || s.last == last);
			last = s.last;
			json_decref(s.end);
			json_decref(expected);
			json_decref(echo);
			json_decref(whole);
		}
	}
}

/* The text that a client has when it has read all events up to a number. */
static void read_up_to(int64_t number, size_t n, struct seen *ret)
{
	char *text = stream(-1, n, 3), *save, *line;

	*ret = (struct seen){.last = -1};
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		json_t *event = strncmp(line, "data: ", 6) ? NULL : json_loads(line + 6, 0, NULL);

		if (event && json_integer_value(json_object_get(event, "sequence_number")) <= number)
			see(ret, event);
		json_decref(event);
	}
	free(text);
}

Test(events, a_client_goes_on_where_it_was_whatever_chunks_are_left)
{
	for (int64_t after = -1; after < 70; after++) {
		for (size_t n = 0; n < 9; n += 2) {
			struct seen a, b;
			char got[512];

			read_up_to(after, 3, &a);
			b = read_all(stream(a.last, n, 3), a.last);
			for (size_t i = 0; i < 3; i++) {
				static const char *const all[] = {thinks, says, argues};

				snprintf(got, sizeof(got), "%s%s", a.texts[i], b.texts[i]);
				cr_expect_str_eq(got, all[i], "after %d, chunks of %zu: %s", (int)a.last, n, got);
			}
			cr_expect_str_eq(strcat(a.order, b.order), order);
			json_decref(a.end);
			json_decref(b.end);
		}
	}
}

Test(events, an_answer_without_words_has_a_message)
{
	json_t *echo = json_object(), *whole = json_pack("{s:[{s:s, s:{s:s}}]}", "choices", "finish_reason", "length",
					      "message", "content", "");
	struct og_response_events e;
	struct og_buf out;
	struct seen s;

	og_buf_init(&out, 1 << 20);
	og_response_events_init(&e, "ab", echo, -1);
	og_response_events_begin(&e, &out);
	og_response_events_end(&e, whole, &out);
	s = read_all(og_buf_take(&out), -1);
	cr_expect_str_eq(s.order, "created in_progress output_item.added content_part.added output_text.done "
				  "content_part.done output_item.done incomplete ");
	cr_expect_eq(json_array_size(json_object_get(s.end, "output")), 1);
	json_decref(s.end);
	og_response_events_done(&e);
	json_decref(echo);
	json_decref(whole);
}

Test(events, a_failure_is_told_with_what_there_was)
{
	json_t *echo = json_object();
	struct og_response_events e;
	struct og_refusal why;
	struct og_buf out;
	struct seen s;

	og_refuse_with(&why, 502, "engine_failed", "it broke");
	og_buf_init(&out, 1 << 20);
	og_response_events_init(&e, "ab", echo, -1);
	og_response_events_begin(&e, &out);
	feed(&e, json_pack("{s:s}", "content", "half"), &out);
	og_response_events_broken(&e, "failed", &why, &out);
	s = read_all(og_buf_take(&out), -1);
	cr_expect_str_eq(json_string_value(json_object_get(s.end, "status")), "failed");
	cr_expect_str_eq(json_string_value(json_object_get(json_object_get(s.end, "error"), "code")), "engine_failed");
	json_decref(s.end);
	og_response_events_done(&e);
	json_decref(echo);
}

Test(events, what_is_no_chunk_changes_nothing)
{
	static const char *const odd[] = {"", "{", "[]", "{\"choices\":[]}", "{\"choices\":[{}]}", "{\"choices\":7}",
		"{\"choices\":[{\"delta\":{\"content\":null,\"tool_calls\":null}}]}"};
	json_t *echo = json_object();
	struct og_response_events e;
	struct og_buf out;

	og_buf_init(&out, 1 << 20);
	og_response_events_init(&e, "ab", echo, -1);
	for (size_t i = 0; i < OG_COUNT(odd); i++)
		og_response_events_chunk(&e, odd[i], strlen(odd[i]), &out);
	cr_expect_eq(out.len, 0);
	og_buf_done(&out);
	og_response_events_done(&e);
	json_decref(echo);
}
