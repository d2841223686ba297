/* The stream with the real dialects: what engines send, and what a worker makes of it. */
#include "engine/stream.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "leaks.h"

TestSuite(stream, .timeout = 60);

#define OPENAI &og_dialect_openai
#define OLLAMA &og_dialect_ollama

struct seen {
	char text[256];
	unsigned events, verbatim;
	enum og_fault refuse; /* what the sink says to each event */
};

static enum og_fault on_event(void *ctx, json_t *chunk, const char *text, size_t len)
{
	struct seen *s = ctx;
	json_t *choice = json_array_get(json_object_get(chunk, "choices"), 0);
	const char *content = json_string_value(json_object_get(json_object_get(choice, "delta"), "content"));

	s->events++;
	s->verbatim += text != NULL;
	cr_assert(!text || strlen(text) == len);
	if (content)
		strncat(s->text, content, sizeof(s->text) - strlen(s->text) - 1);
	return s->refuse;
}

/* Pushes the bytes in pieces of `piece`, and closes. */
static struct seen feed(struct og_engine_stream *s, const struct og_dialect *dialect, const char *bytes, size_t piece)
{
	struct seen seen = {0};
	const struct og_dialect_run run = {.id = "job", .chat = true, .model = "m"};

	og_engine_stream_init(s, dialect, &run, on_event, &seen);
	for (size_t at = 0, len = strlen(bytes); at < len; at += piece) {
		if (og_engine_stream_push(s, bytes + at, len - at < piece ? len - at : piece) < 0)
			break;
	}
	og_engine_stream_close(s);
	og_engine_stream_done(s);
	return seen;
}

#define TOKEN(t) "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"" t "\"},\"finish_reason\":null}]}\n\n"
#define END      "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
#define DONE     "data: [DONE]\n\n"

Test(stream, openai_cut_anywhere_in_its_bytes)
{
	struct og_engine_stream s;
	const char *bytes =
		": a comment\n\n" TOKEN("He") TOKEN("llo") END "data: {\"choices\":[],\"usage\":{}}\n\n" DONE;

	for (size_t piece = 1; piece <= strlen(bytes); piece += 7) {
		struct seen seen = feed(&s, OPENAI, bytes, piece);

		cr_assert(s.ended && !s.fault, "piece %zu: %s", piece, s.words);
		cr_assert_str_eq(seen.text, "Hello");
		cr_assert_eq(seen.events, 4);
		cr_assert_eq(seen.verbatim, 4);
	}
}

Test(stream, openai_without_done_is_whole_when_it_was_finished)
{
	struct og_engine_stream s;

	feed(&s, OPENAI, TOKEN("a") END, 1000);
	cr_assert(s.ended);
	feed(&s, OPENAI, TOKEN("a"), 1000);
	cr_assert_eq(s.fault, OG_FAULT_ENGINE_CUT);
	feed(&s, OPENAI, TOKEN("a") END "", 1000);
	cr_assert(s.ended);
}

Test(stream, openai_garbage)
{
	struct og_engine_stream s;

	feed(&s, OPENAI, "", 1);
	cr_assert_eq(s.fault, OG_FAULT_ENGINE_GARBAGE);
	feed(&s, OPENAI, "data: {not json\n\n", 1000);
	cr_assert_eq(s.fault, OG_FAULT_ENGINE_GARBAGE);
	feed(&s, OPENAI, "data: [1]\n\n", 1000);
	cr_assert_eq(s.fault, OG_FAULT_ENGINE_GARBAGE);
	feed(&s, OPENAI, "\x01\x02\xff\xfe\n\n", 1000);
	cr_assert_eq(s.fault, OG_FAULT_ENGINE_GARBAGE);
}

Test(stream, a_line_that_never_ends)
{
	struct og_engine_stream s;
	og_autofree char *line = og_alloc(OG_STREAM_LINE_MAX + 100);

	memset(line, 'x', OG_STREAM_LINE_MAX + 99);
	feed(&s, OPENAI, line, 65536);
	cr_assert_eq(s.fault, OG_FAULT_ENGINE_GARBAGE);
	cr_assert(strstr(s.words, "bytes"), "%s", s.words);
}

Test(stream, openai_errors_in_the_middle)
{
	struct og_engine_stream s;

	feed(&s, OPENAI, TOKEN("a") "data: {\"error\":{\"message\":\"out of memory\",\"code\":500}}\n\n", 1000);
	cr_assert_eq(s.fault, OG_FAULT_ENGINE_UNAVAILABLE);
	cr_assert(strstr(s.words, "out of memory"));
	feed(&s, OPENAI, "data: {\"error\":\"too long\"}\n\n", 1000);
	cr_assert_eq(s.fault, OG_FAULT_ENGINE_ERROR);
	cr_assert(strstr(s.words, "too long"));
	feed(&s, OPENAI, "event: error\ndata: {\"message\":\"bad\",\"code\":400}\n\n", 1000);
	cr_assert_eq(s.fault, OG_FAULT_ENGINE_ERROR);
}

Test(stream, openai_an_event_of_several_lines_is_written_out_anew)
{
	struct og_engine_stream s;
	struct seen seen = feed(&s, OPENAI, "data: {\"choices\":\ndata: []}\n\n" END DONE, 1000);

	cr_assert(s.ended);
	cr_assert_eq(seen.events, 2);
	cr_assert_eq(seen.verbatim, 1);
}

Test(stream, openai_a_nul_that_the_parser_overlooks_is_not_passed_on)
{
	static const char bytes[] = "data: {\"choices\":[],\"created\":1\0}\n\n";
	const struct og_dialect_run run = {.chat = true};
	struct seen seen = {0};
	struct og_engine_stream s;

	og_engine_stream_init(&s, OPENAI, &run, on_event, &seen);
	og_engine_stream_push(&s, bytes, sizeof(bytes) - 1);
	cr_assert_eq(seen.verbatim, 0);
	og_engine_stream_done(&s);
}

Test(stream, what_the_sink_refuses_ends_it)
{
	struct og_engine_stream s;
	const struct og_dialect_run run = {.chat = true};
	struct seen seen = {.refuse = OG_FAULT_TOO_LARGE};

	og_engine_stream_init(&s, OPENAI, &run, on_event, &seen);
	cr_assert_eq(og_engine_stream_push(&s, TOKEN("a") TOKEN("b"), strlen(TOKEN("a") TOKEN("b"))), -1);
	cr_assert_eq(seen.events, 1);
	cr_assert_eq(s.fault, OG_FAULT_TOO_LARGE);
	cr_assert_eq(og_engine_stream_push(&s, END, strlen(END)), -1);
	og_engine_stream_done(&s);
}

#define LINE(t) "{\"model\":\"m\",\"message\":{\"role\":\"assistant\",\"content\":\"" t "\"},\"done\":false}\n"
#define LAST                                                                                                           \
	"{\"model\":\"m\",\"message\":{\"role\":\"assistant\",\"content\":\"\"},\"done\":true,\"done_reason\":"        \
	"\"stop\","                                                                                                    \
	"\"prompt_eval_count\":5,\"eval_count\":2}\n"

Test(stream, ollama)
{
	struct og_engine_stream s;
	struct seen seen = feed(&s, OLLAMA, LINE("He") LINE("llo") LAST, 10);

	cr_assert(s.ended && !s.fault, "%s", s.words);
	cr_assert_str_eq(seen.text, "Hello");
	cr_assert_eq(seen.events, 3);
	cr_assert_eq(seen.verbatim, 0);
}

Test(stream, ollama_fails)
{
	struct og_engine_stream s;

	feed(&s, OLLAMA, LINE("a"), 1000);
	cr_assert_eq(s.fault, OG_FAULT_ENGINE_CUT);
	feed(&s, OLLAMA, LINE("a") "{\"error\":\"model 'x' not found\"}\n", 1000);
	cr_assert_eq(s.fault, OG_FAULT_ENGINE_ERROR);
	cr_assert(strstr(s.words, "not found"));
	feed(&s, OLLAMA, "garbage\n", 1000);
	cr_assert_eq(s.fault, OG_FAULT_ENGINE_GARBAGE);
}
