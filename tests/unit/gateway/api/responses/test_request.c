#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "api/responses/request.h"
#include "leaks.h"

static json_t *parse(const char *text)
{
	json_t *value = json_loads(text, JSON_DECODE_ANY, NULL);

	cr_assert(value, "%s", text);
	return value;
}

/* The engine's request of one; "<param>: <message>" where it is refused. */
static char *chat_of(const char *request)
{
	json_t *body = parse(request), *items = NULL, *chat = NULL;
	struct og_responses_flags flags;
	struct og_refusal why;
	char *text = malloc(1024);

	if (og_responses_flags(body, &flags, &why) < 0 || og_responses_items(body, "aa", &items, &why) < 0 ||
		og_responses_chat(body, items, &chat, &why) < 0) {
		snprintf(text, 1024, "%s: %s", why.param, why.message);
	} else {
		free(text);
		text = json_dumps(chat, JSON_COMPACT | JSON_SORT_KEYS);
	}
	json_decref(chat);
	json_decref(items);
	json_decref(body);
	return text;
}

static void expect_chat(const char *request, const char *chat)
{
	char *got = chat_of(request);

	cr_expect_str_eq(got, chat, "%s", got);
	free(got);
}

Test(request, a_response_is_its_job)
{
	char hex[OG_RESPONSE_HEX + 1], job[OG_ID_LEN + 1];

	og_response_hex("0191b2c3-d4e5-4f60-8a7b-0c1d2e3f4a5b", hex);
	cr_expect_str_eq(hex, "0191b2c3d4e54f608a7b0c1d2e3f4a5b");
	cr_assert_eq(og_response_job("resp_0191b2c3d4e54f608a7b0c1d2e3f4a5b", job), 0);
	cr_expect_str_eq(job, "0191b2c3-d4e5-4f60-8a7b-0c1d2e3f4a5b");
	cr_expect_eq(og_response_job("resp_0191b2c3d4e54f608a7b0c1d2e3f4a5", job), -1);
	cr_expect_eq(og_response_job("resp_0191b2c3d4e54f608a7b0c1d2e3f4a5B", job), -1);
	cr_expect_eq(og_response_job("chat_0191b2c3d4e54f608a7b0c1d2e3f4a5b", job), -1);
	cr_expect_eq(og_response_job("", job), -1);
}

Test(request, text_becomes_a_message)
{
	expect_chat("{\"model\":\"m\",\"input\":\"hi\",\"instructions\":\"be "
		    "brief\",\"max_output_tokens\":9,\"stream\":true}",
		"{\"max_tokens\":9,\"messages\":[{\"content\":\"be brief\",\"role\":\"system\"},"
		"{\"content\":\"hi\",\"role\":\"user\"}],\"model\":\"m\"}");
}

Test(request, what_is_not_known_passes_through)
{
	expect_chat("{\"input\":[],\"top_k\":3,\"temperature\":0.5,\"metadata\":{\"a\":\"b\"},\"store\":false,"
		    "\"reasoning\":{\"effort\":\"low\"},\"include\":[\"message.output_text.logprobs\"],\"top_p\":null}",
		"{\"logprobs\":true,\"messages\":[],\"reasoning_effort\":\"low\",\"temperature\":0.5,\"top_k\":3,\"top_"
		"p\":null}");
}

Test(request, parts_of_text_are_joined_and_others_kept)
{
	expect_chat("{\"input\":[{\"role\":\"developer\",\"content\":[{\"type\":\"input_text\",\"text\":\"a\"},"
		    "{\"type\":\"input_text\",\"text\":\"b\"}]}]}",
		"{\"messages\":[{\"content\":\"a\\nb\",\"role\":\"system\"}]}");
	expect_chat("{\"input\":[{\"role\":\"user\",\"content\":[{\"type\":\"input_text\",\"text\":\"a\"},"
		    "{\"type\":\"input_image\",\"image_url\":\"data:x\",\"detail\":\"low\"}]}]}",
		"{\"messages\":[{\"content\":[{\"text\":\"a\",\"type\":\"text\"},{\"image_url\":{\"detail\":\"low\","
		"\"url\":\"data:x\"},\"type\":\"image_url\"}],\"role\":\"user\"}]}");
}

Test(request, calls_in_a_row_are_one_message)
{
	expect_chat("{\"input\":[{\"type\":\"reasoning\",\"summary\":[]},"
		    "{\"type\":\"function_call\",\"call_id\":\"c1\",\"name\":\"f\",\"arguments\":\"{}\"},"
		    "{\"type\":\"function_call\",\"call_id\":\"c2\",\"name\":\"g\",\"arguments\":\"{}\"},"
		    "{\"type\":\"function_call_output\",\"call_id\":\"c1\",\"output\":\"1\"}]}",
		"{\"messages\":[{\"content\":\"\",\"role\":\"assistant\",\"tool_calls\":["
		"{\"function\":{\"arguments\":\"{}\",\"name\":\"f\"},\"id\":\"c1\",\"type\":\"function\"},"
		"{\"function\":{\"arguments\":\"{}\",\"name\":\"g\"},\"id\":\"c2\",\"type\":\"function\"}]},"
		"{\"content\":\"1\",\"role\":\"tool\",\"tool_call_id\":\"c1\"}]}");
}

Test(request, tools_choice_and_format)
{
	expect_chat(
		"{\"input\":[],\"tools\":[{\"type\":\"function\",\"name\":\"f\",\"parameters\":{},\"strict\":true}],"
		"\"tool_choice\":{\"type\":\"function\",\"name\":\"f\"},"
		"\"text\":{\"format\":{\"type\":\"json_schema\",\"name\":\"n\",\"schema\":{\"x\":1}}}}",
		"{\"messages\":[],\"response_format\":{\"json_schema\":{\"name\":\"n\",\"schema\":{\"x\":1}},\"type\":"
		"\"json_schema\"},\"tool_choice\":{\"function\":{\"name\":\"f\"},\"type\":\"function\"},"
		"\"tools\":[{\"function\":{\"name\":\"f\",\"parameters\":{},\"strict\":true},\"type\":\"function\"}]}");
	expect_chat("{\"input\":[],\"tools\":[],\"tool_choice\":\"auto\",\"text\":{\"format\":{\"type\":\"text\"}}}",
		"{\"messages\":[]}");
}

Test(request, what_cannot_be_served_is_named)
{
	static const struct {
		const char *request, *begins;
	} bad[] = {
		{"{}", "input: input: is missing"},
		{"{\"input\":7}", "input: input: must be text"},
		{"{\"input\":[7]}", "input: "},
		{"{\"input\":[{\"role\":\"king\",\"content\":\"x\"}]}", "input: input[0]: role must be"},
		{"{\"input\":[{\"role\":\"user\",\"content\":7}]}", "input: input[0]: its content"},
		{"{\"input\":[{\"role\":\"user\",\"content\":[{\"type\":\"input_file\"}]}]}",
			"input: input[0]: a part"},
		{"{\"input\":[{\"type\":\"web_search_call\"}]}", "input: input[0]: an item"},
		{"{\"input\":[{\"type\":\"function_call\"}]}", "input: input[0]: a function_call"},
		{"{\"input\":\"x\",\"tools\":[{\"type\":\"web_search\"}]}", "tools: tools: only"},
		{"{\"input\":\"x\",\"tool_choice\":{\"type\":\"mcp\"}}", "tool_choice: "},
		{"{\"input\":\"x\",\"text\":{\"format\":{\"type\":\"json_schema\"}}}", "text: text: `format`"},
		{"{\"input\":\"x\",\"stream\":1}", "stream: "},
		{"{\"input\":\"x\",\"max_output_tokens\":0}", "max_output_tokens: "},
		{"{\"input\":\"x\",\"previous_response_id\":\"resp_7\"}", "previous_response_id: "},
		{"{\"input\":\"x\",\"background\":true,\"store\":false}", "background: "},
		{"{\"input\":\"x\",\"conversation\":\"conv_1\"}", "conversation: "},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		char *got = chat_of(bad[i].request);

		cr_expect(!strncmp(got, bad[i].begins, strlen(bad[i].begins)), "%s: %s", bad[i].request, got);
		free(got);
	}
}

Test(request, items_have_types_and_ids)
{
	json_t *body = parse("{\"input\":[{\"role\":\"user\",\"content\":\"x\"},{\"type\":\"function_call_output\","
			     "\"id\":\"mine\"}]}");
	json_t *items;
	struct og_refusal why;

	cr_assert_eq(og_responses_items(body, "aa", &items, &why), 0);
	cr_expect_str_eq(json_string_value(json_object_get(json_array_get(items, 0), "id")), "msg_aa_in0");
	cr_expect_str_eq(json_string_value(json_object_get(json_array_get(items, 0), "type")), "message");
	cr_expect_str_eq(json_string_value(json_object_get(json_array_get(items, 1), "id")), "mine");
	json_decref(items);
	json_decref(body);
}

Test(request, the_echo_has_what_was_said_and_else_what_is_usual)
{
	json_t *body = parse("{\"model\":\"m\",\"temperature\":0.5,\"metadata\":null,\"tools\":[1],\"input\":\"x\"}");
	json_t *echo = og_responses_echo(body, 7);
	char *text = json_dumps(echo, JSON_COMPACT | JSON_SORT_KEYS);

	cr_expect_str_eq(text,
		"{\"background\":false,\"created_at\":7,\"instructions\":null,\"max_output_tokens\":null,\"metadata\":{"
		"},"
		"\"model\":\"m\",\"parallel_tool_calls\":true,\"previous_response_id\":null,\"reasoning\":{\"effort\":"
		"null,"
		"\"summary\":null},\"store\":true,\"temperature\":0.5,\"text\":{\"format\":{\"type\":\"text\"}},"
		"\"tool_choice\":\"auto\",\"tools\":[1],\"top_p\":1.0,\"truncation\":\"disabled\"}",
		"%s", text);
	free(text);
	json_decref(echo);
	json_decref(body);
}
