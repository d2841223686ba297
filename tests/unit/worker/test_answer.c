#include "answer.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "leaks.h"

TestSuite(answer, .timeout = 60);

static struct og_answer a;

static void teardown(void)
{
	og_answer_done(&a);
}

static enum og_fault add(const char *json, bool *ret_token)
{
	json_t *chunk = json_loads(json, JSON_DECODE_ANY, NULL);
	bool token = false;
	enum og_fault fault;

	cr_assert(chunk, "%s", json);
	fault = og_answer_add(&a, chunk, &token);
	json_decref(chunk);
	if (ret_token)
		*ret_token = token;
	return fault;
}

static void expect(const char *json)
{
	json_t *got = og_answer_response(&a, "SmolLM2-135M"), *wanted = json_loads(json, 0, NULL);
	og_autofree char *text = json_dumps(got, 0);

	cr_assert(json_equal(got, wanted), "got %s, wanted %s", text, json);
	json_decref(got);
	json_decref(wanted);
}

Test(answer, a_chat, .fini = teardown)
{
	bool token;
	og_answer_init(&a, true);
	cr_assert(!og_answer_any(&a));
	cr_assert_eq(add("{\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":5,\"model\":\"m\","
			 "\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":null},\"finish_"
			 "reason\":null}]}",
			     &token),
		OG_FAULT_NONE);
	cr_assert(!token, "a role is no token");
	cr_assert(og_answer_any(&a));
	cr_assert_eq(add("{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"4\"}}]}", &token), OG_FAULT_NONE);
	cr_assert(token);
	cr_assert_eq(add("{\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}],\"timings\":{\"x\":1}}",
			     &token),
		OG_FAULT_NONE);
	cr_assert(!token);
	cr_assert_eq(
		add("{\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":1}}", &token), OG_FAULT_NONE);
	cr_assert_eq(og_answer_usage(&a, "prompt_tokens"), 7);
	cr_assert_eq(og_answer_usage(&a, "no_tokens"), 0);
	expect("{\"id\":\"c1\",\"object\":\"chat.completion\",\"created\":5,\"model\":\"SmolLM2-135M\",\"choices\":[{"
	       "\"index\":0,"
	       "\"message\":{\"role\":\"assistant\",\"content\":\"4\"},\"finish_reason\":\"stop\"}],"
	       "\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":1},\"timings\":{\"x\":1}}");
}

Test(answer, a_completion, .fini = teardown)
{
	og_answer_init(&a, false);
	add("{\"id\":\"c\",\"choices\":[{\"index\":0,\"text\":\"to \"}]}", NULL);
	add("{\"id\":\"c\",\"choices\":[{\"index\":0,\"text\":\"be\",\"finish_reason\":\"length\"}]}", NULL);
	expect("{\"id\":\"c\",\"object\":\"text_completion\",\"model\":\"SmolLM2-135M\",\"choices\":[{\"index\":0,"
	       "\"text\":\"to "
	       "be\",\"finish_reason\":\"length\"}]}");
}

Test(answer, calls_of_tools_have_no_text, .fini = teardown)
{
	og_answer_init(&a, true);
	add("{\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"name\":\"f\","
	    "\"arguments\":\"{}\"}}]}}]}",
		NULL);
	expect("{\"object\":\"chat.completion\",\"model\":\"SmolLM2-135M\",\"choices\":[{\"index\":0,\"message\":{"
	       "\"role\":\"assistant\","
	       "\"content\":null,\"tool_calls\":[{\"index\":0,\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]}}]"
	       "}");
}

Test(answer, a_choice_without_its_number, .fini = teardown)
{
	og_answer_init(&a, true);
	add("{\"choices\":[{\"delta\":{\"content\":\"a\"}}]}", NULL);
	add("{\"choices\":[{\"delta\":{\"content\":\"b\"}}]}", NULL);
	expect("{\"object\":\"chat.completion\",\"model\":\"SmolLM2-135M\",\"choices\":[{\"index\":0,\"message\":{"
	       "\"role\":\"assistant\",\"content\":\"ab\"}}]}");
}

Test(answer, is_garbage, .fini = teardown)
{
	og_answer_init(&a, true);
	cr_assert_eq(add("[]", NULL), OG_FAULT_ENGINE_GARBAGE);
	cr_assert_eq(add("{\"choices\":{}}", NULL), OG_FAULT_ENGINE_GARBAGE);
	cr_assert_eq(add("{\"choices\":[3]}", NULL), OG_FAULT_ENGINE_GARBAGE);
	cr_assert_eq(add("{\"choices\":[{\"index\":999}]}", NULL), OG_FAULT_ENGINE_GARBAGE);
}

Test(answer, a_text_that_holds_a_nul, .fini = teardown)
{
	json_t *chunk = json_loads("{\"choices\":[{\"delta\":{\"content\":\"a\\u0000b\"}}]}", JSON_ALLOW_NUL, NULL);
	json_t *response, *choice, *text;
	bool token;

	og_answer_init(&a, true);
	cr_assert_eq(og_answer_add(&a, chunk, &token), OG_FAULT_NONE);
	response = og_answer_response(&a, "m");
	choice = json_array_get(json_object_get(response, "choices"), 0);
	text = json_object_get(json_object_get(choice, "message"), "content");
	cr_assert_eq(json_string_length(text), 3);
	cr_assert_eq(memcmp(json_string_value(text), "a\0b", 3), 0);
	json_decref(response);
	json_decref(chunk);
}

Test(answer, too_large, .fini = teardown)
{
	og_autofree char *filler = og_alloc(1024 * 1024 + 1);
	og_autofree char *json = NULL;
	enum og_fault fault = OG_FAULT_NONE;
	int i;

	memset(filler, 'x', 1024 * 1024);
	json = og_printf("{\"choices\":[{\"delta\":{\"content\":\"%s\"}}]}", filler);
	og_answer_init(&a, true);
	for (i = 0; i < 10 && !fault; i++)
		fault = add(json, NULL);
	cr_assert_eq(fault, OG_FAULT_TOO_LARGE);
	cr_assert_eq(i, 8, "1 MiB a piece, and the keys: %d", i);
}
