#include "merge.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "leaks.h"

TestSuite(merge, .timeout = 60);

static int add(struct og_merge *m, const char *json, struct og_merged *ret)
{
	json_t *delta = json_loads(json, JSON_DECODE_ANY, NULL);
	int rc;

	cr_assert(delta, "%s", json);
	rc = og_merge_add(m, delta, ret);
	json_decref(delta);
	return rc;
}

static void expect(const struct og_merge *m, const char *json)
{
	json_t *got = og_merge_json(m), *wanted = json_loads(json, JSON_DECODE_ANY, NULL);
	og_autofree char *text = json_dumps(got, JSON_ENCODE_ANY);

	cr_assert(json_equal(got, wanted), "got %s, wanted %s", text, json);
	json_decref(got);
	json_decref(wanted);
}

static struct og_merge *merged(const char *const *deltas)
{
	struct og_merge *m = og_merge_new();
	struct og_merged did;

	for (; *deltas; deltas++)
		cr_assert_eq(add(m, *deltas, &did), 0, "%s", *deltas);
	return m;
}

static void check(const char *const *deltas, const char *wanted)
{
	struct og_merge *m = merged(deltas);

	expect(m, wanted);
	og_merge_free(m);
}
#define CHECK(wanted, ...) check((const char *const[]){__VA_ARGS__, NULL}, wanted)

Test(merge, joins_texts_and_keeps_whole_words)
{
	CHECK("{\"role\":\"assistant\",\"content\":\"Hello\"}", "{\"role\":\"assistant\",\"content\":\"He\"}",
		"{\"role\":\"assistant\",\"content\":\"llo\"}");
}

Test(merge, null_adds_nothing_and_a_later_value_counts)
{
	CHECK("{\"a\":\"x\",\"n\":2,\"f\":null}", "{\"a\":\"x\",\"n\":1,\"f\":null}", "{\"a\":null,\"n\":2}");
}

Test(merge, items_meet_by_index_in_its_order)
{
	CHECK("[{\"index\":0,\"t\":\"ac\"},{\"index\":1,\"t\":\"b\"}]", "[{\"index\":1,\"t\":\"b\"}]",
		"[{\"index\":0,\"t\":\"a\"}]", "[{\"index\":0,\"t\":\"c\"}]");
}

Test(merge, items_without_an_index_follow_each_other)
{
	CHECK("[{\"p\":1},{\"p\":1},\"x\",\"y\"]", "[{\"p\":1}]", "[{\"p\":1},\"x\"]", "[\"y\"]");
}

Test(merge, tool_calls_are_put_together)
{
	CHECK("[{\"index\":0,\"id\":\"c1\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{"
	      "\\\"a\\\":1}\"}}]",
		"[{\"index\":0,\"id\":\"c1\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"\"}}]",
		"[{\"index\":0,\"function\":{\"arguments\":\"{\\\"a\\\"\"}}]",
		"[{\"index\":0,\"function\":{\"arguments\":\":1}\"}}]");
}

Test(merge, a_value_that_changes_its_type_is_the_later_one)
{
	CHECK("{\"a\":{\"b\":1}}", "{\"a\":\"text\"}", "{\"a\":{\"b\":1}}");
	CHECK("{\"a\":\"text\"}", "{\"a\":[1,2]}", "{\"a\":\"text\"}");
	CHECK("{\"a\":true}", "{\"a\":{\"b\":[{\"c\":\"d\"}]}}", "{\"a\":true}");
}

Test(merge, counts_what_it_keeps_and_what_is_text)
{
	struct og_merge *m = og_merge_new();
	struct og_merged did;

	cr_assert_eq(add(m, "{\"role\":\"assistant\"}", &did), 0);
	cr_assert_eq(did.joined, 0);
	cr_assert_geq(did.bytes, 9);
	cr_assert_eq(add(m, "{\"content\":\"four\"}", &did), 0);
	cr_assert_eq(did.joined, 4);
	cr_assert_eq(add(m, "{\"content\":\"\"}", &did), 0);
	cr_assert_eq(did.bytes, 0);
	og_merge_free(m);
}

Test(merge, refuses_a_deep_delta_and_a_wild_index)
{
	struct og_merge *m = og_merge_new();
	struct og_merged did;

	cr_assert_eq(add(m, "[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]", &did), -1);
	cr_assert_eq(add(m, "[{\"index\":128}]", &did), -1);
	cr_assert_eq(add(m, "[{\"index\":-1}]", &did), -1);
	og_merge_free(m);
}

Test(merge, adding_a_token_costs_what_the_token_is_long)
{
	struct og_merge *m = og_merge_new();
	struct og_merged did;
	json_t *whole;

	for (int i = 0; i < 300000; i++)
		cr_assert_eq(add(m, "{\"arguments\":\"0123456789\"}", &did), 0);
	whole = og_merge_json(m);
	cr_assert_eq(json_string_length(json_object_get(whole, "arguments")), 3000000);
	json_decref(whole);
	og_merge_free(m);
}
