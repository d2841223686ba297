/* What Ollama's clients ask, in OpenAI's form. */
#include "api/ollama/request.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "leaks.h"
#include "model/json.h"

typedef int og_turn(const json_t *q, struct og_ollama_request *ret, struct og_refusal *why);

static json_t *of(const char *text)
{
	json_t *value = json_loads(text, 0, NULL);

	cr_assert(value, "the test's own JSON is wrong: %s", text);
	return value;
}

static void turns(og_turn *turn, const char *from, const char *to)
{
	json_t *q = of(from), *want = of(to);
	struct og_ollama_request r;
	struct og_refusal why = {0};
	og_autofree char *got = NULL;

	cr_assert_eq(turn(q, &r, &why), 0, "%s", why.message);
	got = json_dumps(r.body, JSON_SORT_KEYS);
	cr_assert(json_equal(r.body, want), "%s", got);
	og_ollama_request_done(&r);
	json_decref(q);
	json_decref(want);
}

static void refuses(og_turn *turn, const char *from, const char *words)
{
	json_t *q = of(from);
	struct og_ollama_request r;
	struct og_refusal why;

	cr_assert_lt(turn(q, &r, &why), 0, "%s was taken", from);
	cr_assert_eq(why.status, 400);
	cr_assert(strstr(why.message, words), "%s: %s", from, why.message);
	cr_assert_null(r.body);
	json_decref(q);
}

Test(ollama_request, the_model_by_either_of_its_members)
{
	char model[OG_NAME_MAX];
	struct og_refusal why;
	json_t *q = of("{\"model\":\"smol:latest\"}");

	cr_assert_eq(og_ollama_model(q, model, &why), 0);
	cr_assert_str_eq(model, "smol:latest");
	json_decref(q);
	q = of("{\"name\":\"llama3.2:3b\"}");
	cr_assert_eq(og_ollama_model(q, model, &why), 0);
	cr_assert_str_eq(model, "llama3.2:3b");
	json_decref(q);
}

Test(ollama_request, a_chat_with_its_options)
{
	turns(og_ollama_chat_request,
		"{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],\"tools\":[],"
		"\"keep_alive\":\"5m\",\"options\":{\"num_predict\":7,\"temperature\":0.5,\"top_k\":3,\"stop\":[\"x\"],"
		"\"num_ctx\":4096,\"seed\":1}}",
		"{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],\"max_tokens\":7,"
		"\"temperature\":0.5,\"top_k\":3,\"stop\":[\"x\"],\"seed\":1}");
	turns(og_ollama_chat_request,
		"{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],\"options\":{\"num_predict\":-"
		"1,"
		"\"model\":\"other\",\"messages\":[]},\"logprobs\":true}",
		"{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],\"logprobs\":true}");
}

Test(ollama_request, it_streams_unless_told_not_to)
{
	static const struct {
		const char *text;
		bool stream;
	} cases[] = {{"{\"model\":\"m\"}", true}, {"{\"model\":\"m\",\"stream\":null}", true},
		{"{\"model\":\"m\",\"stream\":false}", false}};

	for (size_t i = 0; i < OG_COUNT(cases); i++) {
		json_t *q = of(cases[i].text);
		struct og_ollama_request r;
		struct og_refusal why;

		cr_assert_eq(og_ollama_chat_request(q, &r, &why), 0);
		cr_assert_eq(r.stream, cases[i].stream, "%s", cases[i].text);
		og_ollama_request_done(&r);
		json_decref(q);
	}
}

Test(ollama_request, format_and_think)
{
	turns(og_ollama_chat_request,
		"{\"model\":\"m\",\"format\":\"json\",\"think\":false,\"messages\":[{\"role\":\"user\",\"content\":"
		"\"\"}]}",
		"{\"model\":\"m\",\"response_format\":{\"type\":\"json_object\"},\"chat_template_kwargs\":{"
		"\"enable_thinking\":false},\"messages\":[{\"role\":\"user\",\"content\":\"\"}]}");
	turns(og_ollama_chat_request,
		"{\"model\":\"m\",\"format\":{\"type\":\"object\"},\"think\":\"high\",\"messages\":[{\"role\":\"user\","
		"\"content\":\"\"}]}",
		"{\"model\":\"m\",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"answer\","
		"\"strict\":true,\"schema\":{\"type\":\"object\"}}},\"reasoning_effort\":\"high\","
		"\"chat_template_kwargs\":{\"enable_thinking\":true},\"messages\":[{\"role\":\"user\",\"content\":\"\"}"
		"]}");
}

Test(ollama_request, images_say_what_they_are)
{
	turns(og_ollama_chat_request,
		"{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"see\",\"images\":[\"iVBORw0KGgoAAA\"]}"
		"]}",
		"{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"see\"},"
		"{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/png;base64,iVBORw0KGgoAAA\"}}]}]}");
	refuses(og_ollama_chat_request,
		"{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"see\",\"images\":[7]}]}",
		"messages.0.images.0");
}

Test(ollama_request, calls_of_tools_get_the_ids_that_openai_wants)
{
	turns(og_ollama_chat_request,
		"{\"model\":\"m\",\"messages\":[{\"role\":\"assistant\",\"content\":\"\",\"thinking\":\"hm\",\"tool_"
		"calls\":["
		"{\"function\":{\"name\":\"a\",\"arguments\":{\"x\":1}}},{\"id\":\"own\",\"function\":{\"name\":\"b\"}}"
		"]},"
		"{\"role\":\"tool\",\"tool_name\":\"b\",\"content\":\"2\"},{\"role\":\"tool\",\"content\":\"1\"}]}",
		"{\"model\":\"m\",\"messages\":[{\"role\":\"assistant\",\"content\":\"\",\"reasoning_content\":\"hm\","
		"\"tool_calls\":[{\"id\":\"call_0\",\"type\":\"function\",\"function\":{\"name\":\"a\",\"arguments\":"
		"\"{\\\"x\\\":1}\"}},{\"id\":\"own\",\"type\":\"function\",\"function\":{\"name\":\"b\",\"arguments\":"
		"\"{}\"}}]},{\"role\":\"tool\",\"name\":\"b\",\"tool_call_id\":\"own\",\"content\":\"2\"},"
		"{\"role\":\"tool\",\"tool_call_id\":\"call_0\",\"content\":\"1\"}]}");
	refuses(og_ollama_chat_request, "{\"model\":\"m\",\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[{}]}]}",
		"messages.0.tool_calls.0");
}

Test(ollama_request, what_is_wrong_is_named)
{
	refuses(og_ollama_chat_request, "{\"messages\":[]}", "model:");
	refuses(og_ollama_chat_request, "{\"model\":7}", "model:");
	refuses(og_ollama_chat_request, "{\"model\":\"m\",\"messages\":{}}", "messages:");
	refuses(og_ollama_chat_request, "{\"model\":\"m\",\"messages\":[7]}", "messages.0");
	refuses(og_ollama_chat_request, "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[]}]}",
		"messages.0");
	refuses(og_ollama_chat_request, "{\"model\":\"m\",\"stream\":1}", "stream:");
	refuses(og_ollama_chat_request, "{\"model\":\"m\",\"options\":[]}", "options:");
	refuses(og_ollama_chat_request, "{\"model\":\"m\",\"format\":\"xml\"}", "format:");
	refuses(og_ollama_chat_request, "{\"model\":\"m\",\"think\":7}", "think:");
	refuses(og_ollama_generate_request, "{\"model\":\"m\",\"prompt\":[\"x\"]}", "prompt:");
	refuses(og_ollama_generate_request, "{\"model\":\"m\",\"prompt\":\"x\",\"template\":\"{{ .Prompt }}\"}",
		"template:");
	refuses(og_ollama_generate_request, "{\"model\":\"m\",\"prompt\":\"x\",\"context\":[1]}", "context:");
	refuses(og_ollama_generate_request, "{\"model\":\"m\",\"raw\":true,\"prompt\":\"x\",\"images\":[\"x\"]}",
		"images:");
}

Test(ollama_request, generate_is_a_chat_of_one)
{
	turns(og_ollama_generate_request, "{\"model\":\"m\",\"prompt\":\"why\",\"system\":\"be short\"}",
		"{\"model\":\"m\",\"messages\":[{\"role\":\"system\",\"content\":\"be short\"},{\"role\":\"user\","
		"\"content\":\"why\"}]}");
}

Test(ollama_request, raw_and_suffix_are_completions)
{
	turns(og_ollama_generate_request,
		"{\"model\":\"m\",\"prompt\":\"why\",\"raw\":true,\"options\":{\"messages\":[],\"stream\":true}}",
		"{\"model\":\"m\",\"prompt\":\"why\"}");
	turns(og_ollama_generate_request, "{\"model\":\"m\",\"prompt\":\"why\",\"raw\":true,\"logprobs\":true}",
		"{\"model\":\"m\",\"prompt\":\"why\"}");
	turns(og_ollama_generate_request, "{\"model\":\"m\",\"prompt\":\"def f(\",\"suffix\":\"return 1\"}",
		"{\"model\":\"m\",\"prompt\":\"def f(\",\"suffix\":\"return 1\"}");
}

Test(ollama_request, without_a_prompt_nothing_is_asked)
{
	static const struct {
		const char *text;
		bool unload;
	} cases[] = {{"{\"model\":\"m\"}", false}, {"{\"model\":\"m\",\"keep_alive\":0}", true},
		{"{\"model\":\"m\",\"keep_alive\":\"0s\"}", true}, {"{\"model\":\"m\",\"keep_alive\":\"5m\"}", false},
		{"{\"model\":\"m\",\"keep_alive\":-1}", false}};

	for (size_t i = 0; i < OG_COUNT(cases); i++) {
		json_t *q = of(cases[i].text);
		struct og_ollama_request r;
		struct og_refusal why;

		cr_assert_eq(og_ollama_generate_request(q, &r, &why), 0);
		cr_assert_null(r.body);
		cr_assert_eq(r.unload, cases[i].unload, "%s", cases[i].text);
		json_decref(q);
	}
}
