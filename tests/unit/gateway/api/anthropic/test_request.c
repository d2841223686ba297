/* What Anthropic's clients ask, as a chat completion. */
#include "api/anthropic/request.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "leaks.h"
#include "model/json.h"

static json_t *of(const char *text)
{
	json_t *value = json_loads(text, 0, NULL);

	cr_assert(value, "the test's own JSON is wrong: %s", text);
	return value;
}

static void turns(const char *from, const char *to)
{
	json_t *q = of(from), *want = of(to);
	struct og_anthropic_request r;
	struct og_refusal why = {0};
	og_autofree char *got = NULL;

	cr_assert_eq(og_anthropic_request(q, &r, &why), 0, "%s", why.message);
	got = json_dumps(r.body, JSON_SORT_KEYS);
	cr_assert(json_equal(r.body, want), "%s", got);
	og_anthropic_request_done(&r);
	json_decref(q);
	json_decref(want);
}

/* The messages alone. */
static void says(const char *messages, const char *to)
{
	og_autofree char *from = og_printf("{\"model\":\"m\",\"messages\":%s}", messages);
	og_autofree char *want = og_printf("{\"model\":\"m\",\"messages\":%s}", to);

	turns(from, want);
}

static void refuses(const char *from, const char *words)
{
	json_t *q = of(from);
	struct og_anthropic_request r;
	struct og_refusal why;

	cr_assert_lt(og_anthropic_request(q, &r, &why), 0, "%s was taken", from);
	cr_assert_eq(why.status, 400);
	cr_assert(strstr(why.message, words), "%s: %s", from, why.message);
	cr_assert_null(r.body);
	json_decref(q);
}

static void refuses_block(const char *block, const char *words)
{
	og_autofree char *from =
		og_printf("{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[%s]}]}", block);

	refuses(from, words);
}

Test(anthropic_request, texts_and_what_is_said_of_the_answer)
{
	turns("{\"model\":\"m\",\"max_tokens\":7,\"system\":[{\"type\":\"text\",\"text\":\"a\",\"cache_control\":{}},"
	      "{\"type\":\"text\",\"text\":\"b\"}],\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],"
	      "\"stop_sequences\":[\"x\"],\"temperature\":0.5,\"top_k\":3,\"metadata\":{\"user_id\":\"u\"},"
	      "\"stream\":true,\"service_tier\":\"auto\",\"min_p\":0.1}",
		"{\"model\":\"m\",\"max_tokens\":7,\"messages\":[{\"role\":\"system\",\"content\":\"a\\nb\"},"
		"{\"role\":\"user\",\"content\":\"hi\"}],\"stop\":[\"x\"],\"temperature\":0.5,\"top_k\":3,"
		"\"user\":\"u\",\"min_p\":0.1}");
	turns("{\"model\":\"m\",\"system\":\"s\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],"
	      "\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":1024},\"output_config\":{\"effort\":\"low\","
	      "\"format\":{\"type\":\"json_schema\",\"schema\":{}}}}",
		"{\"model\":\"m\",\"messages\":[{\"role\":\"system\",\"content\":\"s\"},{\"role\":\"user\",\"content\":"
		"\"hi\"}],\"chat_template_kwargs\":{\"enable_thinking\":true},\"thinking_budget_tokens\":1024,"
		"\"reasoning_effort\":\"low\","
		"\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"answer\",\"strict\":true,"
		"\"schema\":{}}}}");
}

Test(anthropic_request, tools_and_their_choice)
{
	static const struct {
		const char *choice, *turned;
	} cases[] = {{"{\"type\":\"auto\"}", "\"auto\""}, {"{\"type\":\"any\"}", "\"required\""},
		{"{\"type\":\"none\"}", "\"none\""},
		{"{\"type\":\"tool\",\"name\":\"f\"}", "{\"type\":\"function\",\"function\":{\"name\":\"f\"}}"}};

	for (size_t i = 0; i < OG_COUNT(cases); i++) {
		og_autofree char *from =
			og_printf("{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"\"}],\"tools\":[{"
				  "\"name\":\"f\","
				  "\"description\":\"d\",\"input_schema\":{\"type\":\"object\"}}],\"tool_choice\":%s}",
				cases[i].choice);
		og_autofree char *to = og_printf(
			"{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"\"}],\"tools\":[{\"type\":"
			"\"function\",\"function\":{\"name\":\"f\",\"description\":\"d\",\"parameters\":{\"type\":"
			"\"object\"}}}],\"tool_choice\":%s}",
			cases[i].turned);

		turns(from, to);
	}
	turns("{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"\"}],\"tools\":[],"
	      "\"tool_choice\":{\"type\":\"auto\",\"disable_parallel_tool_use\":true}}",
		"{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"\"}],\"tool_choice\":\"auto\","
		"\"parallel_tool_calls\":false}");
}

Test(anthropic_request, a_turn_of_tools)
{
	says("[{\"role\":\"assistant\",\"content\":[{\"type\":\"thinking\",\"thinking\":\"hm\",\"signature\":\"\"},"
	     "{\"type\":\"text\",\"text\":\"let me\"},{\"type\":\"tool_use\",\"id\":\"t1\",\"name\":\"f\",\"input\":"
	     "{\"x\":1}}]},{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\"t1\","
	     "\"content\":"
	     "[{\"type\":\"text\",\"text\":\"42\"},{\"type\":\"image\",\"source\":{\"type\":\"url\",\"url\":\"u\"}}]},"
	     "{\"type\":\"text\",\"text\":\"and?\"}]}]",
		"[{\"role\":\"assistant\",\"content\":\"let me\",\"reasoning_content\":\"hm\",\"tool_calls\":[{\"id\":"
		"\"t1\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"x\\\":1}\"}}]},"
		"{\"role\":\"tool\",\"tool_call_id\":\"t1\",\"content\":\"42\"},{\"role\":\"user\",\"content\":[{"
		"\"type\":"
		"\"image_url\",\"image_url\":{\"url\":\"u\"}},{\"type\":\"text\",\"text\":\"and?\"}]}]");
	says("[{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\"t1\",\"is_error\":true,"
	     "\"content\":\"no\"},{\"type\":\"tool_result\",\"tool_use_id\":\"t2\"}]}]",
		"[{\"role\":\"tool\",\"tool_call_id\":\"t1\",\"content\":\"Error:\\nno\"},{\"role\":\"tool\","
		"\"tool_call_id\":\"t2\",\"content\":\"\"}]");
}

Test(anthropic_request, images_documents_and_search_results)
{
	says("[{\"role\":\"user\",\"content\":[{\"type\":\"image\",\"source\":{\"type\":\"base64\",\"media_type\":"
	     "\"image/png\",\"data\":\"AAAA\"}},{\"type\":\"text\",\"text\":\"see\"}]}]",
		"[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":"
		"\"data:image/png;base64,AAAA\"}},{\"type\":\"text\",\"text\":\"see\"}]}]");
	says("[{\"role\":\"user\",\"content\":[{\"type\":\"document\",\"title\":\"t\",\"source\":{\"type\":\"text\","
	     "\"media_type\":\"text/plain\",\"data\":\"d\"}},{\"type\":\"search_result\",\"source\":\"s\",\"title\":"
	     "\"t\",\"content\":[{\"type\":\"text\",\"text\":\"c\"}]}]}]",
		"[{\"role\":\"user\",\"content\":\"t\\nd\\nt\\ns\\nc\"}]");
}

Test(anthropic_request, what_is_wrong_is_named)
{
	refuses("{\"messages\":[{\"role\":\"user\",\"content\":\"\"}]}", "model:");
	refuses("{\"model\":\"m\"}", "messages:");
	refuses("{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"\"}],\"stream\":1}", "stream:");
	refuses("{\"model\":\"m\",\"messages\":[{\"role\":\"tool\",\"content\":\"\"}]}", "messages.0.role");
	refuses("{\"model\":\"m\",\"messages\":[{\"role\":\"user\"}]}", "messages.0.content");
	refuses("{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"\"}],\"system\":[{\"type\":\"x\"}]}",
		"system.0");
	refuses("{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"\"}],\"mcp_servers\":[{}]}",
		"mcp_servers:");
	refuses("{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"\"}],\"tools\":[{\"type\":"
		"\"bash_20250124\",\"name\":\"bash\"}]}",
		"bash_20250124");
	refuses("{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"\"}],\"tools\":[{}]}", "tools.0");
	refuses("{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"\"}],\"tool_choice\":\"auto\"}",
		"tool_choice:");
	refuses_block("{\"type\":\"server_tool_use\"}", "server_tool_use");
	refuses_block("7", "messages.0.content.0");
	refuses_block("{\"type\":\"image\",\"source\":{\"type\":\"file\"}}", "an image");
	refuses_block("{\"type\":\"document\",\"source\":{\"type\":\"base64\"}}", "a document");
	refuses_block("{\"type\":\"tool_result\"}", "tool_use_id");
	refuses_block("{\"type\":\"tool_use\",\"name\":\"x\"}", "an `id`");
	refuses_block("{\"type\":\"tool_result\",\"tool_use_id\":\"t\",\"content\":7}", "must be text or a list");
}
