#include "request.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "leaks.h"

TestSuite(request, .timeout = 60);

#define ID "0b0e9b34-6a32-4c8e-9a3f-0d6f2f1c9a11"

static void takes(const char *body, bool chat)
{
	struct og_request q;
	struct og_error err;

	cr_assert_eq(og_request_parse(ID, NULL, body, strlen(body), &q, &err), 0, "%s: %s", body, err.message);
	cr_assert_eq(q.chat, chat, "%s", body);
	cr_assert_str_eq(q.id, ID);
	og_request_done(&q);
}

static void refuses(const char *body, size_t len, const char *words)
{
	struct og_request q;
	struct og_error err;

	cr_assert_eq(og_request_parse(ID, NULL, body, len, &q, &err), -1, "%s", body);
	cr_assert_eq(err.kind, OG_INVALID);
	cr_assert(strstr(err.message, words), "'%s' does not say '%s'", err.message, words);
}
#define REFUSES(body, words) refuses(body, strlen(body), words)

Test(request, both_forms)
{
	takes("{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],\"anything\":{\"else\":1}}", true);
	takes("{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"hi\"}]}]}", true);
	takes("{\"messages\":[{\"role\":\"system\",\"content\":\"\"},{\"role\":\"user\",\"content\":\"hi\"}],"
	      "\"prompt\":\"\"}",
		true);
	takes("{\"prompt\":\"once\"}", false);
	takes("{\"prompt\":[1,2,3]}", false);
	takes("{\"prompt\":\"a\\u0000b\"}", false);
}

Test(request, what_is_no_prompt)
{
	REFUSES("", "no body");
	REFUSES("{", "not JSON");
	REFUSES("[]", "not a JSON object");
	REFUSES("{}", "neither");
	REFUSES("{\"messages\":{}}", "not an array");
	REFUSES("{\"messages\":[]}", "empty");
	REFUSES("{\"messages\":[{\"role\":\"user\",\"content\":\"\"}]}", "empty");
	REFUSES("{\"messages\":[{\"role\":\"user\"}]}", "empty");
	REFUSES("{\"messages\":[\"hi\"]}", "role");
	REFUSES("{\"messages\":[{\"content\":\"hi\"}]}", "role");
	REFUSES("{\"prompt\":\"\"}", "empty");
	REFUSES("{\"prompt\":[]}", "empty");
	REFUSES("{\"prompt\":7}", "neither a string");
	refuses("{\"prompt\":\"\xff\"}", 14, "UTF-8: byte 11");
}

Test(request, its_errors_do_not_quote_the_prompt)
{
	struct og_request q;
	struct og_error err;
	const char *body = "{\"prompt\":\"my secret\" oops}";

	cr_assert_eq(og_request_parse(ID, NULL, body, strlen(body), &q, &err), -1);
	cr_assert(!strstr(err.message, "oops") && !strstr(err.message, "secret"), "%s", err.message);
}

Test(request, the_text_of_a_content)
{
	json_t *parts = json_loads("[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"image_url\"},\"b\"]", 0, NULL);
	og_autofree char *text = og_request_content_text(parts);
	og_autofree char *none = og_request_content_text(NULL);

	cr_assert_str_eq(text, "ab");
	cr_assert_str_eq(none, "");
	json_decref(parts);
}

static int parse(const char *operation, const char *body, struct og_error *err)
{
	struct og_request q;
	int rc = og_request_parse(ID, operation, body, strlen(body), &q, err);

	if (rc == 0)
		og_request_done(&q);
	return rc;
}

static void refuses_to(const char *operation, const char *body, const char *words)
{
	struct og_error err;

	cr_assert_eq(parse(operation, body, &err), -1, "%s", body);
	cr_assert_eq(err.kind, OG_INVALID);
	cr_assert(strstr(err.message, words), "'%s' does not say '%s'", err.message, words);
}

Test(request, an_unknown_operation)
{
	refuses_to("paint", "{\"prompt\":\"a\"}", "'paint'");
}

Test(request, embeddings)
{
	static const char *const good[] = {"{\"input\":\"a\"}", "{\"input\":[\"a\",\"b\"]}", "{\"input\":[1,2]}",
		"{\"input\":[[1],[2,3]],\"dimensions\":64,\"encoding_format\":\"base64\"}",
		"{\"input\":\"a\",\"dimensions\":null,\"encoding_format\":null}"};

	for (size_t i = 0; i < OG_COUNT(good); i++)
		cr_assert_eq(parse("embed", good[i], NULL), 0, "%s", good[i]);
	refuses_to("embed", "{\"prompt\":\"a\"}", "no 'input'");
	refuses_to("embed", "{\"input\":\"\"}", "empty");
	refuses_to("embed", "{\"input\":[]}", "empty");
	refuses_to("embed", "{\"input\":7}", "neither a string");
	refuses_to("embed", "{\"input\":[\"a\",{}]}", "item 1");
	refuses_to("embed", "{\"input\":\"a\",\"dimensions\":0}", "dimensions");
	refuses_to("embed", "{\"input\":\"a\",\"dimensions\":\"many\"}", "dimensions");
	refuses_to("embed", "{\"input\":\"a\",\"encoding_format\":\"hex\"}", "base64");
}

Test(request, counts)
{
	static const char *const good[] = {"{\"input\":\"a\"}", "{\"prompt\":[\"a\",\"b\"]}",
		"{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]}"};

	for (size_t i = 0; i < OG_COUNT(good); i++)
		cr_assert_eq(parse("count_tokens", good[i], NULL), 0, "%s", good[i]);
	refuses_to("count_tokens", "{}", "an 'input'");
	refuses_to("count_tokens", "{\"input\":[1,2]}", "only texts");
	refuses_to("count_tokens", "{\"prompt\":\"\"}", "empty");
	refuses_to("count_tokens", "{\"messages\":[]}", "empty");
}

Test(request, a_trace_that_is_one)
{
	static const char parent[] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
	struct og_request q = {0};

	og_request_trace(&q, NULL, NULL);
	og_request_trace(&q, "00-0af7", "a=b");
	cr_assert_str_eq(q.traceparent, "");
	cr_assert_str_eq(q.tracestate, "", "it means nothing alone");
	og_request_trace(&q, parent, "no members");
	cr_assert_str_eq(q.traceparent, parent);
	cr_assert_str_eq(q.tracestate, "");
	og_request_trace(&q, parent, "a=b,c@d=e");
	cr_assert_str_eq(q.tracestate, "a=b,c@d=e");
}
