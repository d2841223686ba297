#include "engine/token_count.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "leaks.h"

TestSuite(token_count, .timeout = 60);

static int64_t estimate(const char *request)
{
	json_t *json = json_loads(request, 0, NULL);
	int64_t tokens;

	cr_assert(json, "%s", request);
	tokens = og_token_estimate(json);
	json_decref(json);
	return tokens;
}

static size_t texts(const char *request)
{
	json_t *json = json_loads(request, 0, NULL), *found;
	size_t n;

	cr_assert(json, "%s", request);
	found = og_token_texts(json);
	n = json_array_size(found);
	json_decref(found);
	json_decref(json);
	return n;
}

Test(token_count, texts)
{
	cr_assert_eq(texts("{\"prompt\":\"a\"}"), 1);
	cr_assert_eq(texts("{\"prompt\":[\"a\",\"b\"]}"), 2);
	cr_assert_eq(texts("{\"input\":\"a\"}"), 1);
	cr_assert_eq(texts("{\"messages\":[]}"), 0);
}

Test(token_count, estimates)
{
	cr_assert_eq(estimate("{\"prompt\":\"12345\"}"), 2);
	cr_assert_eq(estimate("{\"input\":[\"1234\",\"1234\"]}"), 2);
	cr_assert_eq(estimate("{\"messages\":[{\"role\":\"user\",\"content\":\"12345678\"}]}"), 4 + 2);
	cr_assert_eq(estimate("{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"1234\"},"
			      "{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/"
			      "png;base64,AAAAAAAAAAAAAAAA\"}}]}]}"),
		4 + 1);
	cr_assert_eq(estimate("{\"messages\":[],\"tools\":[{\"a\":1}]}"), 3, "[{\"a\":1}] has 9 bytes");
}

Test(token_count, what_a_client_is_told)
{
	og_autofree char *counted = NULL, *estimated = NULL;
	json_t *a = og_token_response(7, false), *b = og_token_response(8, true);

	counted = json_dumps(a, JSON_COMPACT);
	estimated = json_dumps(b, JSON_COMPACT);
	cr_assert_str_eq(counted, "{\"object\":\"token_count\",\"prompt_tokens\":7}");
	cr_assert_str_eq(estimated, "{\"object\":\"token_count\",\"prompt_tokens\":8,\"estimated\":true}");
	json_decref(a);
	json_decref(b);
}
