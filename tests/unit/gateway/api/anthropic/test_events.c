/* What the cluster answers, as Anthropic's message and as its events. */
#include "api/anthropic/events.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "leaks.h"

#define JOB "00000000-0000-4000-8000-00000000000a"
#define HEX "0000000000004000800000000000000a"

/* The events of an answer: of its chunks, then of the whole. */
static void streams(const char *const *chunks, const char *completion, bool hide, const char *want)
{
	json_t *whole = json_loads(completion, 0, NULL);
	struct og_anthropic_events e;
	struct og_buf out;

	og_buf_init(&out, 65536);
	og_anthropic_events_init(&e, JOB, "smol", hide);
	for (; *chunks; chunks++)
		og_anthropic_events_chunk(&e, *chunks, strlen(*chunks), &out);
	cr_assert_eq(og_anthropic_events_end(&e, whole, &out), 0);
	cr_assert_str_eq(og_buf_str(&out), want);
	og_buf_done(&out);
	json_decref(whole);
}

#define EVENT(name, data) "event: " name "\ndata: {" data "\"type\":\"" name "\"}\n\n"
#define START(i, block)   EVENT("content_block_start", "\"index\":" i ",\"content_block\":{" block "},")
#define DELTA(i, delta)   EVENT("content_block_delta", "\"index\":" i ",\"delta\":{" delta "},")
#define STOP(i)           EVENT("content_block_stop", "\"index\":" i ",")
#define END(reason)                                                                                                    \
	EVENT("message_delta",                                                                                         \
		"\"delta\":{\"stop_reason\":\"" reason "\",\"stop_sequence\":null},\"usage\":{\"input_tokens\":5,"     \
		"\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":0,\"output_tokens\":7},")               \
	EVENT("message_stop", "")
#define USAGE "\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":7}"

#define TEXT_START "\"type\":\"text\",\"text\":\"\""
#define TEXT(t)    "\"type\":\"text_delta\",\"text\":\"" t "\""

Test(anthropic_events, a_message_starts_empty)
{
	struct og_anthropic_events e;
	struct og_buf out;

	og_buf_init(&out, 4096);
	og_anthropic_events_init(&e, JOB, "smol", false);
	og_anthropic_events_begin(&e, &out);
	cr_assert_str_eq(og_buf_str(&out),
		EVENT("message_start",
			"\"message\":{\"id\":\"msg_" HEX
			"\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"smol\",\"content\":[],"
			"\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{\"input_tokens\":0,"
			"\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":0,\"output_tokens\":0}},"));
	og_buf_done(&out);
}

Test(anthropic_events, a_text)
{
	static const char *const chunks[] = {"{\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"a\"}}]}",
		"{\"choices\":[{\"delta\":{\"content\":\"b\"}}]}",
		"{\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}", "{\"choices\":[]}", "7", NULL};

	streams(chunks, "{\"choices\":[{\"finish_reason\":\"stop\",\"message\":{\"content\":\"ab\"}}]," USAGE "}",
		false, START("0", TEXT_START) DELTA("0", TEXT("a")) DELTA("0", TEXT("b")) STOP("0") END("end_turn"));
}

#define THOUGHT                                                                                                        \
	START("0", "\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"")                                       \
	DELTA("0", "\"type\":\"thinking_delta\",\"thinking\":\"hm\"") STOP("0")
#define TOOL(i, id, name) START(i, "\"type\":\"tool_use\",\"id\":\"" id "\",\"name\":\"" name "\",\"input\":{}")
#define INPUT(i, text)    DELTA(i, "\"type\":\"input_json_delta\",\"partial_json\":\"" text "\"")

static const char whole_tools[] =
	"{\"choices\":[{\"finish_reason\":\"tool_calls\",\"message\":{\"content\":\"ok\",\"reasoning_content\":\"hm\","
	"\"tool_calls\":[{\"id\":\"c1\",\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"x\\\":1}\"}},"
	"{\"function\":{\"name\":\"g\",\"arguments\":\"{}\"}}]}}]," USAGE "}";

Test(anthropic_events, thinking_a_text_and_calls_are_blocks)
{
	static const char *const chunks[] = {"{\"choices\":[{\"delta\":{\"reasoning_content\":\"hm\"}}]}",
		"{\"choices\":[{\"delta\":{\"content\":\"ok\"}}]}",
		"{\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"c1\",\"function\":{\"name\":\"f\","
		"\"arguments\":\"\"}}]}}]}",
		"{\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{\\\"x\\\"\"}}]}}"
		"]}",
		"{\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\":1}\"}}]}}]}",
		"{\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":1,\"function\":{\"name\":\"g\",\"arguments\":\"{}"
		"\"}}"
		"]}}]}",
		NULL};

	streams(chunks, whole_tools, false,
		THOUGHT START("1", TEXT_START) DELTA("1", TEXT("ok")) STOP("1") TOOL("2", "c1", "f")
			INPUT("2", "{\\\"x\\\"") INPUT("2", ":1}") STOP("2") TOOL("3", "toolu_" HEX "_1", "g")
				INPUT("3", "{}") STOP("3") END("tool_use"));
}

Test(anthropic_events, thinking_that_nobody_wants_is_left_out)
{
	static const char *const chunks[] = {"{\"choices\":[{\"delta\":{\"reasoning\":\"hm\"}}]}", NULL};

	streams(chunks,
		"{\"choices\":[{\"finish_reason\":\"stop\",\"message\":{\"content\":\"\",\"reasoning\":\"hm\"}}]," USAGE
		"}",
		true, END("end_turn"));
}

static void wholes(const char *completion, const char *want)
{
	json_t *from = json_loads(completion, 0, NULL), *message;
	struct og_anthropic_events e;
	og_autofree char *got = NULL;

	og_anthropic_events_init(&e, JOB, "smol", false);
	message = og_anthropic_message(&e, from);
	got = json_dumps(message, JSON_COMPACT);
	cr_assert_str_eq(got, want);
	json_decref(from);
	json_decref(message);
}

Test(anthropic_events, a_whole_message)
{
	wholes(whole_tools,
		"{\"id\":\"msg_" HEX
		"\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"smol\",\"content\":[{\"type\":\"thinking\","
		"\"thinking\":\"hm\",\"signature\":\"\"},{\"type\":\"text\",\"text\":\"ok\"},{\"type\":\"tool_use\","
		"\"id\":\"c1\",\"name\":\"f\",\"input\":{\"x\":1}},{\"type\":\"tool_use\",\"id\":\"toolu_" HEX
		"_1\",\"name\":\"g\",\"input\":{}}],\"usage\":{\"input_tokens\":5,\"cache_creation_input_tokens\":0,"
		"\"cache_read_input_tokens\":0,\"output_tokens\":7},\"stop_reason\":\"tool_use\",\"stop_sequence\":"
		"null}");
}

Test(anthropic_events, why_it_stopped)
{
	static const struct {
		const char *choice, *reason;
	} cases[] = {{"{\"finish_reason\":\"stop\"}", "end_turn"}, {"{}", "end_turn"},
		{"{\"finish_reason\":\"length\"}", "max_tokens"}, {"{\"finish_reason\":\"content_filter\"}", "refusal"},
		{"{\"finish_reason\":\"stop\",\"message\":{\"tool_calls\":[{}]}}", "tool_use"},
		{"{\"finish_reason\":\"stop\",\"stop_reason\":\"END\"}", "stop_sequence"},
		{"{\"finish_reason\":\"length\",\"stop_reason\":\"END\"}", "max_tokens"}};

	for (size_t i = 0; i < OG_COUNT(cases); i++) {
		json_t *choice = json_loads(cases[i].choice, 0, NULL), *stop = og_anthropic_stop(choice);

		cr_assert_str_eq(json_string_value(json_object_get(stop, "stop_reason")), cases[i].reason);
		json_decref(choice);
		json_decref(stop);
	}
}

Test(anthropic_events, what_came_from_the_cache_is_counted_apart)
{
	json_t *completion = json_loads("{\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":1,"
					"\"prompt_tokens_details\":{\"cached_tokens\":8}}}",
		0, NULL);
	json_t *usage = og_anthropic_usage(completion);

	cr_assert_eq(json_integer_value(json_object_get(usage, "input_tokens")), 2);
	cr_assert_eq(json_integer_value(json_object_get(usage, "cache_read_input_tokens")), 8);
	json_decref(completion);
	json_decref(usage);
}

Test(anthropic_events, what_is_no_completion_is_said_to_be_none)
{
	static const char *const bodies[] = {"7", "{}", "{\"choices\":[]}", "{\"choices\":[{\"text\":\"x\"}]}"};
	struct og_anthropic_events e;
	struct og_buf out;

	og_buf_init(&out, 4096);
	og_anthropic_events_init(&e, JOB, "smol", false);
	for (size_t i = 0; i < OG_COUNT(bodies); i++) {
		json_t *body = json_loads(bodies[i], JSON_DECODE_ANY, NULL);

		cr_assert_lt(og_anthropic_events_end(&e, body, &out), 0);
		cr_assert_null(og_anthropic_message(&e, body));
		json_decref(body);
	}
	cr_assert_eq(out.len, 0);
	og_buf_done(&out);
}
