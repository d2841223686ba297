/* Whole streams as engines wrote them, shortened: what a client of chunks gets (the bytes of each event), and what one of
 * the whole answer gets. Of llama.cpp, b0-unknown of 2026-10, are log probabilities and several choices; of DeepSeek's
 * API and vLLM the form of thoughts and of calls of tools. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "base/alloc.h"
#include "engine/stream.h"
#include "leaks.h"

TestSuite(recorded, .timeout = 60);

static struct {
	struct og_answer answer;
	const char *const *events;
	size_t n;
} t;

static enum og_fault on_event(void *ctx, json_t *chunk, const char *text, size_t len)
{
	bool token;

	(void)ctx;
	cr_assert(text && t.events[t.n], "event %zu is passed on as it is", t.n);
	cr_assert_eq(strlen(t.events[t.n]), len);
	cr_assert_str_eq(text, t.events[t.n++]);
	return og_answer_add(&t.answer, chunk, &token);
}

static void check(bool chat, const char *const *events, const char *wanted)
{
	const struct og_dialect_run run = {.id = "job", .chat = chat, .model = "m"};
	json_t *got, *expected = json_loads(wanted, 0, NULL);
	og_autofree char *text = NULL;
	struct og_engine_stream s;
	size_t n = 0;

	cr_assert(expected, "%s", wanted);
	t.events = events;
	t.n = 0;
	og_answer_init(&t.answer, chat);
	og_engine_stream_init(&s, &og_dialect_openai, &run, on_event, NULL);
	for (; events[n]; n++) {
		og_autofree char *line = og_printf("data: %s\n\n", events[n]);

		cr_assert_eq(og_engine_stream_push(&s, line, strlen(line)), 0, "%s", s.words);
	}
	og_engine_stream_push(&s, "data: [DONE]\n\n", 14);
	og_engine_stream_close(&s);
	cr_assert(s.ended, "%s", s.words);
	cr_assert_eq(t.n, n);
	got = og_answer_response(&t.answer, "T");
	text = json_dumps(got, 0);
	cr_assert(json_equal(got, expected), "got %s, wanted %s", text, wanted);
	json_decref(got);
	json_decref(expected);
	og_engine_stream_done(&s);
	og_answer_done(&t.answer);
}

Test(recorded, log_probabilities)
{
	static const char *const events[] = {
		"{\"choices\":[{\"finish_reason\":null,\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":null}}"
		"],"
		"\"created\":5,\"id\":\"c\",\"model\":\"m\",\"object\":\"chat.completion.chunk\"}",
		"{\"choices\":[{\"finish_reason\":null,\"index\":0,\"delta\":{\"content\":\"Hello\"},\"logprobs\":{"
		"\"content\":[{"
		"\"id\":19556,\"token\":\"Hello\",\"bytes\":[72,101,108,108,111],\"logprob\":-1.25,\"top_logprobs\":[{"
		"\"id\":19556,\"token\":\"Hello\",\"bytes\":[72,101,108,108,111],\"logprob\":-1.25},{\"id\":9085,"
		"\"token\":\"W\",\"bytes\":[87],\"logprob\":-2.75}]}]}}],\"created\":5,\"id\":\"c\",\"model\":\"m\","
		"\"object\":\"chat.completion.chunk\"}",
		"{\"choices\":[{\"finish_reason\":null,\"index\":0,\"delta\":{\"content\":\"!\"},\"logprobs\":{"
		"\"content\":[{"
		"\"id\":17,\"token\":\"!\",\"bytes\":[33],\"logprob\":-0.5,\"top_logprobs\":[]}]}}],\"created\":5,"
		"\"id\":\"c\",\"model\":\"m\",\"object\":\"chat.completion.chunk\"}",
		"{\"choices\":[{\"finish_reason\":\"length\",\"index\":0,\"delta\":{}}],\"created\":5,\"id\":\"c\","
		"\"model\":\"m\",\"object\":\"chat.completion.chunk\"}",
		NULL};

	check(true, events,
		"{\"id\":\"c\",\"object\":\"chat.completion\",\"created\":5,\"model\":\"T\",\"choices\":[{\"index\":0,"
		"\"message\":{\"role\":\"assistant\",\"content\":\"Hello!\"},\"finish_reason\":\"length\",\"logprobs\":"
		"{"
		"\"content\":[{\"id\":19556,\"token\":\"Hello\",\"bytes\":[72,101,108,108,111],\"logprob\":-1.25,"
		"\"top_logprobs\":[{\"id\":19556,\"token\":\"Hello\",\"bytes\":[72,101,108,108,111],\"logprob\":-1.25},"
		"{\"id\":9085,\"token\":\"W\",\"bytes\":[87],\"logprob\":-2.75}]},{\"id\":17,\"token\":\"!\",\"bytes\":"
		"["
		"33],\"logprob\":-0.5,\"top_logprobs\":[]}]}}]}");
}

Test(recorded, log_probabilities_of_a_completion)
{
	static const char *const events[] = {
		"{\"choices\":[{\"index\":0,\"text\":\"a\",\"finish_reason\":null,\"logprobs\":{\"tokens\":[\"a\"],"
		"\"token_logprobs\":[null],\"top_logprobs\":[null],\"text_offset\":[0]}}]}",
		"{\"choices\":[{\"index\":0,\"text\":\"b\",\"finish_reason\":\"stop\",\"logprobs\":{\"tokens\":[\"b\"],"
		"\"token_logprobs\":[-0.5],\"top_logprobs\":[{\"b\":-0.5,\"index\":-2.5}],\"text_offset\":[1]}}]}",
		NULL};

	check(false, events,
		"{\"object\":\"text_completion\",\"model\":\"T\",\"choices\":[{\"index\":0,\"text\":\"ab\","
		"\"finish_reason\":\"stop\",\"logprobs\":{\"tokens\":[\"a\",\"b\"],\"token_logprobs\":[null,-0.5],"
		"\"top_logprobs\":[null,{\"b\":-0.5,\"index\":-2.5}],\"text_offset\":[0,1]}}]}");
}

/* They come as they are made, the second one first. */
Test(recorded, several_choices)
{
	static const char *const events[] = {"{\"choices\":[{\"finish_reason\":null,\"index\":1,\"delta\":{\"role\":"
					     "\"assistant\",\"content\":null}}],"
					     "\"id\":\"c\"}",
		"{\"choices\":[{\"finish_reason\":null,\"index\":1,\"delta\":{\"content\":\"Hello\"}}],\"id\":\"c\"}",
		"{\"choices\":[{\"finish_reason\":null,\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":null}}"
		"],"
		"\"id\":\"c\"}",
		"{\"choices\":[{\"finish_reason\":null,\"index\":0,\"delta\":{\"content\":\"h\"}}],\"id\":\"c\"}",
		"{\"choices\":[{\"finish_reason\":null,\"index\":1,\"delta\":{\"content\":\",\"}}],\"id\":\"c\"}",
		"{\"choices\":[{\"finish_reason\":\"length\",\"index\":1,\"delta\":{}}],\"id\":\"c\"}",
		"{\"choices\":[{\"finish_reason\":null,\"index\":0,\"delta\":{\"content\":\"ug\"}}],\"id\":\"c\"}",
		"{\"choices\":[{\"finish_reason\":\"stop\",\"index\":0,\"delta\":{}}],\"id\":\"c\"}", NULL};

	check(true, events,
		"{\"id\":\"c\",\"object\":\"chat.completion\",\"model\":\"T\",\"choices\":[{\"index\":0,\"message\":{"
		"\"role\":\"assistant\",\"content\":\"hug\"},\"finish_reason\":\"stop\"},{\"index\":1,\"message\":{"
		"\"role\":\"assistant\",\"content\":\"Hello,\"},\"finish_reason\":\"length\"}]}");
}

Test(recorded, thoughts)
{
	static const char *const events[] = {"{\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":"
					     "null,\"reasoning_content\":\"Let \"}"
					     ",\"finish_reason\":null}]}",
		"{\"choices\":[{\"index\":0,\"delta\":{\"content\":null,\"reasoning_content\":\"me think\"}}]}",
		"{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"4\",\"reasoning_content\":null}}]}",
		"{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"2\"},\"finish_reason\":\"stop\"}],\"usage\":{"
		"\"completion_tokens\":9,\"completion_tokens_details\":{\"reasoning_tokens\":7}}}",
		NULL};

	check(true, events,
		"{\"object\":\"chat.completion\",\"model\":\"T\",\"choices\":[{\"index\":0,\"message\":{\"role\":"
		"\"assistant\",\"content\":\"42\",\"reasoning_content\":\"Let me think\"},\"finish_reason\":\"stop\"}],"
		"\"usage\":{\"completion_tokens\":9,\"completion_tokens_details\":{\"reasoning_tokens\":7}}}");
}

Test(recorded, calls_of_tools)
{
	static const char *const events[] = {
		"{\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{"
		"\"index\":0,"
		"\"id\":\"call_a\",\"type\":\"function\",\"function\":{\"name\":\"weather\",\"arguments\":\"\"}}]}}]}",
		"{\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{"
		"\\\"city\\\":\"}}"
		"]}}]}",
		"{\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":"
		"\"\\\"Paris\\\"}\"}}"
		"]}}]}",
		"{\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":1,\"id\":\"call_b\",\"type\":"
		"\"function\","
		"\"function\":{\"name\":\"time\",\"arguments\":\"{}\"}}]}}]}",
		"{\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}]}", NULL};

	check(true, events,
		"{\"object\":\"chat.completion\",\"model\":\"T\",\"choices\":[{\"index\":0,\"message\":{\"role\":"
		"\"assistant\",\"content\":null,\"tool_calls\":[{\"index\":0,\"id\":\"call_a\",\"type\":\"function\","
		"\"function\":{\"name\":\"weather\",\"arguments\":\"{\\\"city\\\":\\\"Paris\\\"}\"}},{\"index\":1,"
		"\"id\":\"call_b\",\"type\":\"function\",\"function\":{\"name\":\"time\",\"arguments\":\"{}\"}}]},"
		"\"finish_reason\":\"tool_calls\"}]}");
}
