#include "batch/request.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "leaks.h"

TestSuite(batch_request, .timeout = 60);

#define CHAT(body) "{\"custom_id\":\"a\",\"method\":\"POST\",\"url\":\"/v1/chat/completions\",\"body\":" body "}"

static const struct og_batch_ask bare = {.tenant = "default"};

static int make(const char *text, const struct og_batch_ask *ask, struct og_batch_request *ret, struct og_error *err)
{
	const char *custom_id;
	json_t *line;
	int rc;

	if (og_batch_read(text, strlen(text), &line, &custom_id, err) < 0)
		return -1;
	rc = og_batch_request_make(line, ask, ret, err);
	json_decref(line);
	return rc;
}

static struct og_batch_request made(const char *text, const struct og_batch_ask *ask)
{
	struct og_batch_request r;
	struct og_error err = {0};

	cr_assert_eq(make(text, ask, &r, &err), 0, "%s", err.message);
	return r;
}

Test(batch_request, a_line_becomes_a_request_without_stream)
{
	struct og_batch_request r = made(CHAT("{\"model\":\"small\",\"messages\":[],\"stream\":true,"
					      "\"stream_options\":{},\"max_tokens\":9,\"temperature\":0.5}"),
		&bare);

	cr_assert_str_eq(r.custom_id, "a");
	cr_assert_str_eq(r.body, "{\"model\":\"small\",\"messages\":[],\"max_tokens\":9,\"temperature\":0.5}");
	cr_assert_str_eq(r.model, "small");
	cr_assert_eq(r.max_tokens, 9);
	og_batch_request_done(&r);
	r = made("{\"custom_id\":\"p\",\"url\":\"/v1/completions\",\"body\":{\"prompt\":\"x\"}}", &bare);
	cr_assert_null(r.model);
	og_batch_request_done(&r);
}

/* By Python: uuid5(uuid5(NAMESPACE_DNS, "opengateway"), "default:batch:" + sha256(
 * b"a\0" b"\0" b"\0" b"\0" b'{"messages":[]}').hexdigest()). */
Test(batch_request, the_id_is_made_of_all_that_is_asked)
{
	const struct og_batch_ask asks[] = {bare, {.tenant = "nodea"}, {.tenant = "default", .tier = "T"},
		{.tenant = "default", .model = "T"}, {.tenant = "default", .salt = "T"}};
	struct og_batch_request r[OG_COUNT(asks)], again = made(CHAT("{ \"messages\": [], \"stream\": false }"), &bare),
						   other = made(CHAT("{\"messages\":[1]}"), &bare);

	cr_assert_str_eq(again.id, "a7fb36a9-c952-5569-a6e3-9c6688150fb9");
	cr_assert_str_neq(again.id, other.id);
	for (size_t i = 0; i < OG_COUNT(asks); i++) {
		r[i] = made(CHAT("{\"messages\":[]}"), &asks[i]);
		if (!i)
			cr_assert_str_eq(r[i].id, again.id);
		for (size_t k = 0; k < i; k++)
			cr_assert_str_neq(r[i].id, r[k].id);
	}
	for (size_t i = 0; i < OG_COUNT(asks); i++)
		og_batch_request_done(&r[i]);
	og_batch_request_done(&again);
	og_batch_request_done(&other);
}

Test(batch_request, the_command_lines_model_goes_before_the_bodys)
{
	const struct og_batch_ask tier = {.tenant = "default", .tier = "T"},
				  model = {.tenant = "default", .model = "M"};
	struct og_batch_request r = made(CHAT("{\"model\":\"small\",\"messages\":[]}"), &tier);

	cr_assert_null(r.model);
	og_batch_request_done(&r);
	r = made(CHAT("{\"model\":\"small\",\"messages\":[]}"), &model);
	cr_assert_str_eq(r.model, "M");
	og_batch_request_done(&r);
}

static const struct {
	const char *line, *says;
} broken[] = {
	{"{oops", "not JSON"},
	{"[]", "not a JSON object"},
	{"{\"url\":\"/v1/completions\"}", "custom_id"},
	{"{\"custom_id\":7}", "custom_id"},
	{"{\"custom_id\":\"\"}", "custom_id"},
	{"{\"custom_id\":\"a\\u0000b\"}", "NUL"},
	{"{\"custom_id\":\"a\",\"custom_id\":\"b\"}", "not JSON"},
	{"{\"custom_id\":\"a\",\"url\":\"/v1/completions\"}", "\"body\" is missing"},
	{"{\"custom_id\":\"a\",\"url\":\"/v1/embeddings\",\"body\":{}}", "\"url\" is neither"},
	{"{\"custom_id\":\"a\",\"body\":{}}", "\"url\" is neither"},
	{"{\"custom_id\":\"a\",\"method\":\"GET\",\"url\":\"/v1/completions\",\"body\":{\"prompt\":\"\"}}",
		"\"method\""},
	{"{\"custom_id\":\"a\",\"url\":\"/v1/completions\",\"body\":{\"messages\":[]}}", "no \"prompt\""},
	{CHAT("{\"prompt\":\"x\"}"), "no \"messages\""},
};

Test(batch_request, what_is_no_request_says_why)
{
	struct og_batch_request r;
	struct og_error err;

	for (size_t i = 0; i < OG_COUNT(broken); i++) {
		err = (struct og_error){0};
		cr_expect_eq(make(broken[i].line, &bare, &r, &err), -1, "%s", broken[i].line);
		cr_expect(strstr(err.message, broken[i].says), "%s: %s", broken[i].line, err.message);
	}
}

Test(batch_request, an_answers_line_and_an_errors)
{
	json_t *result = json_loads("{\"response\":{\"object\":\"chat.completion\",\"choices\":[{\"index\":0,"
				    "\"message\":{\"content\":\"four\"}}]},\"tier\":\"T\"}",
		       0, NULL),
	       *text = json_loads("{\"text\":\"fo\\\"ur\"}", 0, NULL), *none = json_object();
	char *line = og_batch_answer_line("a", "1", result);

	cr_expect_str_eq(line,
		"{\"id\":\"batch_req_1\",\"custom_id\":\"a\",\"response\":{\"status_code\":200,"
		"\"request_id\":\"1\",\"body\":{\"object\":\"chat.completion\",\"choices\":[{\"index\":0,"
		"\"message\":{\"content\":\"four\"}}]}},\"error\":null}\n");
	free(line);
	line = og_batch_answer_line("a", "1", text);
	cr_expect(strstr(line, "\"content\":\"fo\\\"ur\""), "%s", line);
	free(line);
	cr_expect_null(og_batch_answer_line("a", "1", none));
	line = og_batch_error_line(NULL, NULL, 7, "invalid_request", "not JSON");
	cr_expect_str_eq(line,
		"{\"id\":null,\"custom_id\":null,\"response\":null,\"error\":{\"code\":\"invalid_request\","
		"\"message\":\"not JSON\"},\"line\":7}\n");
	free(line);
	json_decref(result);
	json_decref(text);
	json_decref(none);
}

static void read_back(char *line, const char *custom_id, const char *error, int64_t number)
{
	const char *id, *type;
	struct og_error err = {0};
	json_t *root;
	int64_t n;

	cr_assert_eq(og_batch_read_back(line, strlen(line), &root, &id, &type, &n, &err), 0, "%s", err.message);
	cr_expect(custom_id ? id && !strcmp(id, custom_id) : !id);
	cr_expect(error ? type && !strcmp(type, error) : !type);
	cr_expect_eq(n, number);
	json_decref(root);
	free(line);
}

Test(batch_request, what_was_written_is_read_back)
{
	json_t *result = json_pack("{s:s}", "text", "x");
	const char *id, *type;
	json_t *root;
	int64_t n;

	read_back(og_batch_answer_line("a", "1", result), "a", NULL, 0);
	read_back(og_batch_error_line("b", "1", 3, "engine_error", "no"), "b", "engine_error", 3);
	read_back(og_batch_error_line(NULL, NULL, 4, "too_large", "no"), NULL, "too_large", 4);
	cr_expect_eq(og_batch_read_back("{}", 2, &root, &id, &type, &n, NULL), -1);
	cr_expect_eq(
		og_batch_read_back("{\"custom_id\":\"a\"}", 17, &root, &id, &type, &n, NULL), -1, "a line of input");
	json_decref(result);
}
