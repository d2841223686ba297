#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "engine/dialect.h"
#include "leaks.h"

TestSuite(ollama, .timeout = 60);

static void expect(json_t *got, const char *wanted)
{
	json_t *expected = json_loads(wanted, 0, NULL);
	og_autofree char *text = json_dumps(got, 0);

	cr_assert(expected, "%s", wanted);
	cr_assert(json_equal(got, expected), "got %s, wanted %s", text, wanted);
	json_decref(got);
	json_decref(expected);
}

static void check_request(const char *body, const char *wanted, const char *wanted_path)
{
	struct og_request q;
	struct og_error err;
	const char *path;

	cr_assert_eq(og_request_parse("id", NULL, body, strlen(body), &q, &err), 0, "%s", err.message);
	expect(og_dialect_ollama.request(&q, "m:1", &path), wanted);
	cr_assert_str_eq(path, wanted_path);
	og_request_done(&q);
}

Test(ollama, a_chat_in_its_form)
{
	check_request("{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],\"max_tokens\":5,\"temperature\":0.5,"
		      "\"stop\":\"x\","
		      "\"stream\":false,\"keep_alive\":\"5m\",\"options\":{\"num_ctx\":512}}",
		"{\"model\":\"m:1\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],\"stream\":true,\"keep_"
		"alive\":\"5m\","
		"\"options\":{\"num_ctx\":512,\"num_predict\":5,\"temperature\":0.5,\"stop\":[\"x\"]}}",
		"/chat");
}

Test(ollama, a_completion_in_its_form)
{
	check_request("{\"prompt\":\"once\",\"seed\":7,\"stop\":[\"a\",\"b\"]}",
		"{\"model\":\"m:1\",\"prompt\":\"once\",\"stream\":true,\"options\":{\"seed\":7,\"stop\":[\"a\",\"b\"]}"
		"}",
		"/generate");
}

Test(ollama, parts_and_images)
{
	check_request("{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"what is \"},"
		      "{\"type\":\"text\",\"text\":\"this\"},"
		      "{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/png;base64,AAAA\"}}]}]}",
		"{\"model\":\"m:1\",\"messages\":[{\"role\":\"user\",\"content\":\"what is "
		"this\",\"images\":[\"AAAA\"]}],"
		"\"stream\":true,\"options\":{}}",
		"/chat");
}

Test(ollama, calls_of_tools_in_the_history)
{
	check_request("{\"messages\":[{\"role\":\"assistant\",\"content\":\"\",\"tool_calls\":[{\"id\":\"c\",\"type\":"
		      "\"function\","
		      "\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"a\\\":1}\"}}]}]}",
		"{\"model\":\"m:1\",\"messages\":[{\"role\":\"assistant\",\"content\":\"\",\"tool_calls\":[{\"id\":"
		"\"c\",\"type\":"
		"\"function\",\"function\":{\"name\":\"f\",\"arguments\":{\"a\":1}}}]}],\"stream\":true,\"options\":{}"
		"}",
		"/chat");
}

Test(ollama, answers_of_tools_and_thoughts_in_the_history)
{
	check_request(
		"{\"messages\":[{\"role\":\"assistant\",\"content\":\"\",\"reasoning_content\":\"hm\",\"tool_calls\":[{"
		"\"id\":\"c1\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]},"
		"{\"role\":\"tool\",\"tool_call_id\":\"c1\",\"content\":\"7\"},"
		"{\"role\":\"tool\",\"tool_call_id\":\"c9\",\"content\":\"8\"}]}",
		"{\"model\":\"m:1\",\"messages\":[{\"role\":\"assistant\",\"content\":\"\",\"thinking\":\"hm\",\"tool_"
		"calls\":[{"
		"\"id\":\"c1\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":{}}}]},"
		"{\"role\":\"tool\",\"tool_call_id\":\"c1\",\"content\":\"7\",\"tool_name\":\"f\"},"
		"{\"role\":\"tool\",\"tool_call_id\":\"c9\",\"content\":\"8\"}],\"stream\":true,\"options\":{}}",
		"/chat");
}

Test(ollama, tools_and_what_is_its_own_pass_through)
{
	check_request("{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],\"tools\":[{\"type\":\"function\","
		      "\"function\":{"
		      "\"name\":\"f\"}}],\"think\":true,\"format\":{\"type\":\"object\"},\"keep_alive\":0,"
		      "\"options\":{\"num_ctx\":512,\"seed\":1},\"seed\":2,\"reasoning_effort\":\"low\"}",
		"{\"model\":\"m:1\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],\"tools\":[{\"type\":"
		"\"function\","
		"\"function\":{\"name\":\"f\"}}],\"think\":true,\"format\":{\"type\":\"object\"},\"keep_alive\":0,"
		"\"options\":{\"num_ctx\":512,\"seed\":2},\"stream\":true}",
		"/chat");
}

Test(ollama, how_much_it_should_think)
{
	check_request("{\"prompt\":\"p\",\"reasoning_effort\":\"none\"}",
		"{\"model\":\"m:1\",\"prompt\":\"p\",\"think\":false,\"stream\":true,\"options\":{}}", "/generate");
	check_request("{\"prompt\":\"p\",\"reasoning_effort\":\"high\"}",
		"{\"model\":\"m:1\",\"prompt\":\"p\",\"think\":\"high\",\"stream\":true,\"options\":{}}", "/generate");
	check_request("{\"prompt\":\"p\",\"chat_template_kwargs\":{\"enable_thinking\":false}}",
		"{\"model\":\"m:1\",\"prompt\":\"p\",\"think\":false,\"stream\":true,\"options\":{}}", "/generate");
}

Test(ollama, formats)
{
	check_request("{\"prompt\":\"p\",\"response_format\":{\"type\":\"json_object\"}}",
		"{\"model\":\"m:1\",\"prompt\":\"p\",\"format\":\"json\",\"stream\":true,\"options\":{}}", "/generate");
	check_request("{\"prompt\":\"p\",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"schema\":{"
		      "\"type\":\"object\"}}}}",
		"{\"model\":\"m:1\",\"prompt\":\"p\",\"format\":{\"type\":\"object\"},\"stream\":true,\"options\":{}}",
		"/generate");
}

static json_t *chunk_of(struct og_dialect_run *run, const char *line, bool *ret_end)
{
	const struct og_sse_event event = {.data = line, .len = strlen(line)};
	struct og_dialect_event e = {0};

	og_dialect_ollama.event(run, &event, &e);
	cr_assert_eq(e.fault, OG_FAULT_NONE, "%s", e.words);
	run->events++;
	*ret_end = e.end;
	return e.chunk;
}

Test(ollama, its_lines_as_chunks)
{
	struct og_dialect_run run = {.id = "7", .chat = true, .model = "m:1", .created_s = 9};
	bool end;

	expect(chunk_of(&run, "{\"message\":{\"role\":\"assistant\",\"content\":\"Hi\"},\"done\":false}", &end),
		"{\"id\":\"chatcmpl-7\",\"object\":\"chat.completion.chunk\",\"created\":9,\"model\":\"m:1\","
		"\"choices\":[{\"index\":0,"
		"\"delta\":{\"role\":\"assistant\",\"content\":\"Hi\"},\"finish_reason\":null}]}");
	cr_assert(!end);
	expect(chunk_of(&run, "{\"message\":{\"content\":\"\",\"thinking\":\"hm\"},\"done\":false}", &end),
		"{\"id\":\"chatcmpl-7\",\"object\":\"chat.completion.chunk\",\"created\":9,\"model\":\"m:1\","
		"\"choices\":[{\"index\":0,"
		"\"delta\":{\"content\":\"\",\"reasoning_content\":\"hm\"},\"finish_reason\":null}]}");
	expect(chunk_of(&run,
		       "{\"message\":{\"content\":\"\"},\"done\":true,\"done_reason\":\"length\",\"prompt_eval_count\":"
		       "3,\"eval_count\":4}",
		       &end),
		"{\"id\":\"chatcmpl-7\",\"object\":\"chat.completion.chunk\",\"created\":9,\"model\":\"m:1\","
		"\"choices\":[{\"index\":0,"
		"\"delta\":{\"content\":\"\"},\"finish_reason\":\"length\"}],"
		"\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4,\"total_tokens\":7}}");
	cr_assert(end);
}

Test(ollama, a_completion_and_calls_of_tools)
{
	struct og_dialect_run text = {.id = "7", .model = "m", .created_s = 9},
			      tools = {.id = "8", .chat = true, .model = "m"};
	bool end;

	expect(chunk_of(&text, "{\"response\":\"once\",\"done\":false}", &end),
		"{\"id\":\"cmpl-7\",\"object\":\"text_completion\",\"created\":9,\"model\":\"m\",\"choices\":[{"
		"\"index\":0,\"text\":\"once\","
		"\"finish_reason\":null}]}");
	expect(chunk_of(&tools,
		       "{\"message\":{\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":{\"a\":1}}}]},"
		       "\"done\":false}",
		       &end),
		"{\"id\":\"chatcmpl-8\",\"object\":\"chat.completion.chunk\",\"created\":0,\"model\":\"m\",\"choices\":"
		"[{\"index\":0,"
		"\"delta\":{\"role\":\"assistant\",\"tool_calls\":[{\"index\":0,\"id\":\"call_8_0\",\"type\":"
		"\"function\",\"function\":"
		"{\"name\":\"f\",\"arguments\":\"{\\\"a\\\":1}\"}}]},\"finish_reason\":null}]}");
	expect(chunk_of(&tools, "{\"message\":{\"content\":\"\"},\"done\":true,\"done_reason\":\"stop\"}", &end),
		"{\"id\":\"chatcmpl-8\",\"object\":\"chat.completion.chunk\",\"created\":0,\"model\":\"m\",\"choices\":"
		"[{\"index\":0,"
		"\"delta\":{\"content\":\"\"},\"finish_reason\":\"tool_calls\"}],"
		"\"usage\":{\"prompt_tokens\":0,\"completion_tokens\":0,\"total_tokens\":0}}");
}

Test(ollama, thoughts_and_log_probabilities)
{
	struct og_dialect_run chat = {.id = "7", .chat = true, .model = "m", .created_s = 9, .events = 1},
			      text = {.id = "7", .model = "m", .created_s = 9};
	bool end;

	expect(chunk_of(&chat,
		       "{\"message\":{\"content\":\"a\",\"thinking\":\"hm\"},\"logprobs\":[{\"token\":\"a\","
		       "\"logprob\":-1}],"
		       "\"done\":false}",
		       &end),
		"{\"id\":\"chatcmpl-7\",\"object\":\"chat.completion.chunk\",\"created\":9,\"model\":\"m\",\"choices\":"
		"[{"
		"\"index\":0,\"finish_reason\":null,\"logprobs\":{\"content\":[{\"token\":\"a\",\"logprob\":-1}]},"
		"\"delta\":{\"content\":\"a\",\"reasoning_content\":\"hm\"}}]}");
	expect(chunk_of(&text, "{\"response\":\"\",\"thinking\":\"hm\",\"done\":false}", &end),
		"{\"id\":\"cmpl-7\",\"object\":\"text_completion\",\"created\":9,\"model\":\"m\",\"choices\":[{"
		"\"index\":0,\"finish_reason\":null,\"reasoning_content\":\"hm\",\"text\":\"\"}]}");
}

Test(ollama, what_a_probe_reads)
{
	og_autofree struct og_serves *serves = og_new(struct og_serves);
	struct og_error err;
	json_t *tags = json_loads("{\"models\":[{\"name\":\"a:latest\"},{\"name\":\"b:1b\"}]}", 0, NULL);

	cr_assert_eq(og_dialect_ollama.probed(0, tags, serves, &err), 0);
	cr_assert_eq(serves->n_models, 3);
	cr_assert_str_eq(serves->models[0], "a:latest");
	cr_assert_str_eq(serves->models[1], "a");
	cr_assert_str_eq(serves->models[2], "b:1b");
	cr_assert_eq(og_dialect_ollama.probed(0, NULL, serves, &err), -1);
	json_decref(tags);
}
