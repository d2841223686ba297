#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "io/sse.h"

TestSuite(sse, .timeout = 60);

/* What the parser gave, written down: [event|id|data] each. */
struct seen {
	struct og_buf text;
	int stop_at; /* the event at which the reader stops; 0: never */
	int n;
	struct og_sse *end; /* ended by the callback when it stops */
};

static int note(void *ctx, const struct og_sse_event *e)
{
	struct seen *seen = ctx;

	cr_assert_eq(strlen(e->data), e->len);
	og_buf_addf(&seen->text, "[%s|%s|%s]", e->event, e->id, e->data);
	if (++seen->n != seen->stop_at)
		return 0;
	og_sse_done(seen->end);
	memset(seen->end, 0xaa, sizeof(*seen->end));
	return -1;
}

/* Pushed whole, byte by byte, and in every cut into two: all must give the same. */
static void check(enum og_sse_framing framing, const char *stream, const char *expected)
{
	size_t len = strlen(stream);

	for (size_t cut = 0; cut <= len + 1; cut++) {
		struct seen seen = {0};
		struct og_sse s;

		og_buf_init(&seen.text, 4096);
		og_sse_init(&s, framing, 64, note, &seen);
		if (cut <= len) {
			cr_assert_eq(og_sse_push(&s, stream, cut, NULL), 0);
			cr_assert_eq(og_sse_push(&s, stream + cut, len - cut, NULL), 0);
		} else {
			for (size_t i = 0; i < len; i++)
				cr_assert_eq(og_sse_push(&s, stream + i, 1, NULL), 0);
		}
		cr_assert_eq(og_sse_end(&s, NULL), 0);
		cr_expect_str_eq(og_buf_str(&seen.text), expected, "cut at %zu: %s", cut, og_buf_str(&seen.text));
		og_sse_done(&s);
		og_buf_done(&seen.text);
	}
}

Test(sse, events)
{
	check(OG_SSE_EVENTS, "data: one\n\ndata:two\n\n", "[||one][||two]");
	check(OG_SSE_EVENTS, "data: a\ndata:  b\ndata\n\n", "[||a\n b\n]");
	check(OG_SSE_EVENTS, "event: done\nid: 7\ndata: x\n\ndata: y\n\n", "[done|7|x][|7|y]");
	check(OG_SSE_EVENTS, "data: {\"a\":\"b: c\"}\n\n", "[||{\"a\":\"b: c\"}]");
	check(OG_SSE_EVENTS, "data:\n\n", "[||]");
	check(OG_SSE_EVENTS, "", "");
}

Test(sse, line_ends_and_byte_order_mark)
{
	check(OG_SSE_EVENTS,
		"\xef\xbb\xbf"
		"data: a\r\ndata: b\r\rdata: c\r\n\r\n\n",
		"[||a\nb][||c]");
	check(OG_SSE_EVENTS, "data: a\r\rdata: b\n\r\n", "[||a][||b]");
	check(OG_SSE_EVENTS,
		"data: a\n\n\xef\xbb\xbf"
		"data: not a field\n\n",
		"[||a]");
	check(OG_SSE_EVENTS, "\xef\xbb\xbf\ndata: a\n\n", "[||a]");
}

Test(sse, what_is_ignored)
{
	check(OG_SSE_EVENTS, ": keep-alive\n\n:\n\ndata: a\n: between\ndata: b\n\n", "[||a\nb]");
	check(OG_SSE_EVENTS, "retry: 10\nfoo: bar\nDATA: no\ndatax: no\n\nevent: empty\n\ndata: a\n\n", "[||a]");
}

Test(sse, an_end_without_the_empty_line)
{
	check(OG_SSE_EVENTS, "data: a\n\ndata: [DONE]\n", "[||a][||[DONE]]");
	check(OG_SSE_EVENTS, "data: a\n\ndata: [DONE]", "[||a][||[DONE]]");
}

Test(sse, json_lines)
{
	check(OG_SSE_LINES, "{\"a\":1}\n{\"b\":\r2}\r\n\n\r\n{\"c\":3}", "[||{\"a\":1}][||{\"b\":\r2}][||{\"c\":3}]");
	check(OG_SSE_LINES, "\xef\xbb\xbf{}\n", "[||{}]");
	check(OG_SSE_LINES, "data: x\n", "[||data: x]");
}

static int nul_inside(void *ctx, const struct og_sse_event *e)
{
	cr_assert_str_eq(e->id, "");
	cr_assert_eq(memcmp(e->data, "x\0y", 4), 0);
	*(size_t *)ctx = e->len;
	return 0;
}

Test(sse, a_nul_in_the_data_stays_and_one_in_an_id_voids_it)
{
	static const char stream[] = "id: a\0b\ndata: x\0y\n\n";
	struct og_sse s;
	size_t len = 0;
	og_sse_init(&s, OG_SSE_EVENTS, 64, nul_inside, &len);
	cr_assert_eq(og_sse_push(&s, stream, sizeof(stream) - 1, NULL), 0);
	cr_assert_eq(len, 3);
	og_sse_done(&s);
}

static int push_text(enum og_sse_framing framing, size_t cap, const char *stream, struct og_error *err)
{
	struct seen seen = {0};
	struct og_sse s;
	int status;

	og_buf_init(&seen.text, 4096);
	og_sse_init(&s, framing, cap, note, &seen);
	status = og_sse_push(&s, stream, strlen(stream), err);
	og_sse_done(&s);
	og_buf_done(&seen.text);
	return status;
}

Test(sse, caps)
{
	struct og_error err = {0};

	cr_assert_eq(push_text(OG_SSE_EVENTS, 8, "data: 12\n\n", &err), 0);
	cr_assert_eq(push_text(OG_SSE_EVENTS, 8, "data: 123\n\n", &err), -1);
	cr_assert_eq(err.kind, OG_INVALID);
	cr_assert(strstr(err.message, "more than 8 bytes"), "%s", err.message);
	cr_assert_eq(push_text(OG_SSE_EVENTS, 8, "123456789", NULL), -1);
	/* Lines that fit, of an event that does not: the \n between them count. */
	cr_assert_eq(push_text(OG_SSE_EVENTS, 8, "data:123\ndata:456\ndata\n\n", NULL), 0);
	cr_assert_eq(push_text(OG_SSE_EVENTS, 8, "data:123\ndata:456\ndata:1\n\n", NULL), -1);
	cr_assert_eq(push_text(OG_SSE_LINES, 8, "12345678\n12345678\n", NULL), 0);
	cr_assert_eq(push_text(OG_SSE_LINES, 8, "123456789\n", NULL), -1);
}

Test(sse, the_reader_may_stop_and_end_the_parser)
{
	static const char stream[] = "data: a\n\ndata: b\n\ndata: c\n\n";
	struct og_error err = {0};
	struct og_sse *s = malloc(sizeof(*s));
	struct seen seen = {.stop_at = 2, .end = s};

	og_buf_init(&seen.text, 4096);
	og_sse_init(s, OG_SSE_EVENTS, 64, note, &seen);
	cr_assert_eq(og_sse_push(s, stream, strlen(stream), &err), -1);
	cr_assert_str_eq(err.message, "stopped by the reader");
	cr_assert_str_eq(og_buf_str(&seen.text), "[||a][||b]");
	free(s);
	og_buf_done(&seen.text);
}
