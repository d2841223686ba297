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

	cr_assert_eq(og_request_parse(ID, body, strlen(body), &q, &err), 0, "%s: %s", body, err.message);
	cr_assert_eq(q.chat, chat, "%s", body);
	cr_assert_str_eq(q.id, ID);
	og_request_done(&q);
}

static void refuses(const char *body, size_t len, const char *words)
{
	struct og_request q;
	struct og_error err;

	cr_assert_eq(og_request_parse(ID, body, len, &q, &err), -1, "%s", body);
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

	cr_assert_eq(og_request_parse(ID, body, strlen(body), &q, &err), -1);
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
