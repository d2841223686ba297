/* What the cluster answers, in Ollama's words. */
#include "api/ollama/events.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "leaks.h"

#define NOW INT64_C(1767225600123)
#define AT  "\"created_at\":\"2026-01-01T00:00:00.123Z\""

static const struct og_ollama_answer chat = {.name = "smol:latest"}, generate = {.name = "smol", .generate = true};

static void gives(const struct og_ollama_answer *a, const char *event, const char *lines)
{
	struct og_buf out;

	og_buf_init(&out, 4096);
	og_ollama_chunk(a, NOW, event, strlen(event), &out);
	cr_assert_str_eq(og_buf_str(&out), lines);
	og_buf_done(&out);
}

Test(ollama_events, the_text_of_a_chunk)
{
	gives(&chat, "{\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"h\\u00e9\"}}]}",
		"{\"model\":\"smol:latest\"," AT ",\"message\":{\"role\":\"assistant\",\"content\":\"h\xc3\xa9\"},"
		"\"done\":false}\n");
	gives(&generate, "{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}",
		"{\"model\":\"smol\"," AT ",\"response\":\"a\",\"done\":false}\n");
	gives(&generate, "{\"choices\":[{\"index\":0,\"text\":\"b\"}]}",
		"{\"model\":\"smol\"," AT ",\"response\":\"b\",\"done\":false}\n");
}

Test(ollama_events, thinking_has_its_own_place)
{
	const struct og_ollama_answer hidden = {.name = "smol", .hide_thinking = true};

	gives(&chat, "{\"choices\":[{\"delta\":{\"reasoning_content\":\"hm\"}}]}",
		"{\"model\":\"smol:latest\"," AT ",\"message\":{\"role\":\"assistant\",\"content\":\"\",\"thinking\":"
		"\"hm\"},\"done\":false}\n");
	gives(&chat, "{\"choices\":[{\"delta\":{\"reasoning\":\"hm\"}}]}",
		"{\"model\":\"smol:latest\"," AT ",\"message\":{\"role\":\"assistant\",\"content\":\"\",\"thinking\":"
		"\"hm\"},\"done\":false}\n");
	gives(&hidden, "{\"choices\":[{\"delta\":{\"reasoning_content\":\"hm\"}}]}", "");
}

Test(ollama_events, what_says_nothing_gives_no_line)
{
	gives(&chat, "{\"choices\":[]}", "");
	gives(&chat, "{\"choices\":[{\"delta\":{\"content\":null}}]}", "");
	gives(&chat, "{\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}", "");
	gives(&chat, "{\"choices\":[{\"index\":1,\"delta\":{\"content\":\"another\"}}]}", "");
	gives(&chat, "{\"choices\":7}", "");
	gives(&chat, "7", "");
}

Test(ollama_events, logprobs)
{
	gives(&generate,
		"{\"choices\":[{\"delta\":{\"content\":\"a\"},\"logprobs\":{\"content\":[{\"token\":\"a\",\"logprob\":-"
		"1}"
		"]}}]}",
		"{\"model\":\"smol\"," AT ",\"response\":\"a\",\"logprobs\":[{\"token\":\"a\",\"logprob\":-1}],"
		"\"done\":false}\n");
}

Test(ollama_events, waiting_is_a_line_that_adds_nothing)
{
	struct og_buf out;

	og_buf_init(&out, 4096);
	og_ollama_waiting(&chat, NOW, -1, &out);
	og_ollama_waiting(&generate, NOW, 3, &out);
	cr_assert_str_eq(og_buf_str(&out),
		"{\"model\":\"smol:latest\"," AT
		",\"message\":{\"role\":\"assistant\",\"content\":\"\"},\"done\":false}\n"
		"{\"model\":\"smol\"," AT ",\"response\":\"\",\"done\":false,\"og_ahead\":3}\n");
	og_buf_done(&out);
}

#define TIMINGS "\"timings\":{\"queue_ms\":2,\"first_token_ms\":3,\"run_ms\":10}"
#define USAGE   "\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":7}"
#define METRICS                                                                                                        \
	"\"total_duration\":12000000,\"load_duration\":2000000,\"prompt_eval_count\":5,"                               \
	"\"prompt_eval_duration\":3000000,\"eval_count\":7,\"eval_duration\":7000000}"

static const char done_tools[] =
	"{\"response\":{\"choices\":[{\"finish_reason\":\"tool_calls\",\"message\":{\"role\":\"assistant\",\"content\":"
	"null,\"tool_calls\":[{\"id\":\"c1\",\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"x\\\":1}\"}},"
	"{\"function\":{\"name\":\"g\",\"arguments\":\"oops\"}}]}}]," USAGE "}," TIMINGS "}";
#define CALLS                                                                                                          \
	"\"tool_calls\":[{\"function\":{\"index\":0,\"name\":\"f\",\"arguments\":{\"x\":1}},\"id\":\"c1\"},"           \
	"{\"function\":{\"index\":1,\"name\":\"g\",\"arguments\":{\"arguments\":\"oops\"}}}]"

Test(ollama_events, a_stream_ends_with_the_calls_of_tools_and_its_figures)
{
	struct og_buf out;

	og_buf_init(&out, 4096);
	cr_assert_eq(og_ollama_tail(&chat, NOW, done_tools, strlen(done_tools), &out), 0);
	cr_assert_str_eq(og_buf_str(&out),
		"{\"model\":\"smol:latest\"," AT ",\"message\":{\"role\":\"assistant\",\"content\":\"\"," CALLS
		"},\"done\":false}\n{\"model\":\"smol:latest\"," AT
		",\"message\":{\"role\":\"assistant\",\"content\":\"\"},\"done\":true,\"done_reason\":\"stop\"," METRICS
		"\n");
	og_buf_done(&out);
}

static void wholes(const struct og_ollama_answer *a, const char *done, const char *want)
{
	json_t *whole = og_ollama_whole(a, NOW, done, strlen(done));
	og_autofree char *got = json_dumps(whole, JSON_COMPACT);

	cr_assert_str_eq(got, want);
	json_decref(whole);
}

Test(ollama_events, a_whole_answer)
{
	wholes(&chat, done_tools,
		"{\"model\":\"smol:latest\"," AT ",\"message\":{\"role\":\"assistant\",\"content\":\"\"," CALLS
		"},\"done\":true,\"done_reason\":\"stop\"," METRICS);
	wholes(&generate,
		"{\"response\":{\"choices\":[{\"text\":\"abc\",\"finish_reason\":\"length\"}]," USAGE "}," TIMINGS "}",
		"{\"model\":\"smol\"," AT ",\"response\":\"abc\",\"done\":true,\"done_reason\":\"length\"," METRICS);
}

Test(ollama_events, what_is_no_answer_is_said_to_be_none)
{
	static const char *const bodies[] = {"", "7", "{}", "{\"response\":{\"choices\":[]}}", "{\"response\":[]}"};
	struct og_buf out;

	og_buf_init(&out, 4096);
	for (size_t i = 0; i < OG_COUNT(bodies); i++) {
		cr_assert_lt(og_ollama_tail(&chat, NOW, bodies[i], strlen(bodies[i]), &out), 0);
		cr_assert_null(og_ollama_whole(&chat, NOW, bodies[i], strlen(bodies[i])));
	}
	cr_assert_eq(out.len, 0);
	og_buf_done(&out);
}

Test(ollama_events, loading)
{
	json_t *line = og_ollama_loaded(&chat, NOW, true);

	cr_assert_str_eq(json_string_value(json_object_get(line, "done_reason")), "unload");
	json_decref(line);
}
