#include "model/json.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"

TestSuite(json, .timeout = 60);

struct thing {
	char name[8];
	int64_t count;
	double share;
	bool ready;
};

static const struct og_json_row rows[] = {
	{OG_JSON_AT(struct thing, name), OG_JSON_STRING, true, 1, 100},
	{OG_JSON_AT(struct thing, count), OG_JSON_INT, true, -5, 1000},
	{OG_JSON_AT(struct thing, share), OG_JSON_REAL, false, 0, 1},
	{OG_JSON_AT(struct thing, ready), OG_JSON_BOOL, false, 0, 0},
};

static int read_thing(const char *text, struct thing *ret, struct og_error *err)
{
	json_t *root;
	int rc;

	if (og_json_parse(text, strlen(text), &root, err) < 0)
		return -1;
	rc = og_json_read(root, rows, OG_COUNT(rows), ret, err);
	json_decref(root);
	return rc;
}

static void refuses(const char *text, const char *message)
{
	struct thing t;
	struct og_error err = {0};

	cr_expect_eq(read_thing(text, &t, &err), -1, "accepted: %s", text);
	cr_expect_eq(err.kind, OG_INVALID);
	cr_expect_str_eq(err.message, message);
}

Test(json, a_table_reads_what_it_wrote)
{
	const struct thing t = {"seven77", -5, 0.1, true};
	struct thing back = {0};
	struct og_error err = {0};
	json_t *root = json_object();
	og_autofree char *text = NULL;

	og_json_write(root, rows, OG_COUNT(rows), &t);
	text = og_json_dump(root, 0);
	cr_expect_str_eq(text, "{\"name\":\"seven77\",\"count\":-5,\"share\":0.1,\"ready\":true}");
	cr_assert_eq(read_thing(text, &back, &err), 0, "%s", err.message);
	cr_expect_str_eq(back.name, t.name);
	cr_expect_eq(back.count, t.count);
	cr_expect_eq(back.share, t.share);
	cr_expect(back.ready);
}

Test(json, what_is_absent_stays_and_what_is_unknown_is_ignored)
{
	struct thing t = {.share = 0.5, .ready = true};
	struct og_error err = {0};

	cr_assert_eq(read_thing("{\"name\":\"a\",\"count\":1,\"later\":{\"x\":[]}}", &t, &err), 0, "%s", err.message);
	cr_expect_eq(t.share, 0.5);
	cr_expect(t.ready);
}

Test(json, an_integer_does_for_a_real)
{
	struct thing t = {0};
	struct og_error err = {0};

	cr_assert_eq(read_thing("{\"name\":\"a\",\"count\":1,\"share\":1}", &t, &err), 0, "%s", err.message);
	cr_expect_eq(t.share, 1);
}

Test(json, a_wrong_field_is_told_by_its_key)
{
	refuses("{\"count\":1}", "'name' is missing");
	refuses("{\"name\":5,\"count\":1}", "'name' is not a string");
	refuses("{\"name\":null,\"count\":1}", "'name' is not a string");
	refuses("{\"name\":\"\",\"count\":1}", "'name' has 0 bytes, not 1 to 7");
	refuses("{\"name\":\"eight888\",\"count\":1}", "'name' has 8 bytes, not 1 to 7");
	refuses("{\"name\":\"a\",\"count\":1.0}", "'count' is not an integer");
	refuses("{\"name\":\"a\",\"count\":\"1\"}", "'count' is not an integer");
	refuses("{\"name\":\"a\",\"count\":1001}", "'count' is 1001, not -5 to 1000");
	refuses("{\"name\":\"a\",\"count\":-6}", "'count' is -6, not -5 to 1000");
	refuses("{\"name\":\"a\",\"count\":1,\"share\":1.5}", "'share' is 1.5, not 0 to 1");
	refuses("{\"name\":\"a\",\"count\":1,\"share\":true}", "'share' is not a number");
	refuses("{\"name\":\"a\",\"count\":1,\"ready\":1}", "'ready' is not true or false");
}

Test(json, only_one_whole_object_is_parsed)
{
	static const char *const bad[] = {"", "[]", "5", "{", "{} {}", "{}x", "{\"a\":1,\"a\":2}",
		"{\"a\":\"\\u0000\"}", "{\"a\":\"\xff\"}", "{\"a\":1e999}", "nonsense"};
	json_t *root = NULL;
	struct og_error err;

	for (size_t i = 0; i < OG_COUNT(bad); i++) {
		cr_expect_eq(og_json_parse(bad[i], strlen(bad[i]), &root, &err), -1, "accepted: %s", bad[i]);
		cr_expect_eq(err.kind, OG_INVALID);
		cr_expect(!strchr(err.message, '\n'), "%s", err.message);
	}
	cr_expect_eq(og_json_parse("{}\0", 3, &root, &err), -1, "accepted a NUL after the object");
	cr_expect_null(root);
}

/* `n` times `unit`, with commas between, in a list in an object. */
static int check(const char *unit, size_t n, struct og_error *err)
{
	struct og_buf text;
	int rc;

	og_buf_init(&text, 64u << 20);
	og_buf_adds(&text, "{\"a\":[");
	for (size_t i = 0; i < n; i++)
		og_buf_addf(&text, "%s%s", i ? "," : "", unit);
	og_buf_adds(&text, "]}");
	rc = og_json_check(og_buf_str(&text), text.len, err);
	og_buf_done(&text);
	return rc;
}

Test(json, so_many_values_may_be_parsed)
{
	struct og_error err;

	cr_expect_eq(check("[]", OG_JSON_CONTAINERS_MAX - 2, &err), 0);
	cr_expect_eq(check("{}", OG_JSON_CONTAINERS_MAX - 1, &err), -1);
	cr_expect_str_eq(err.message, "it has 100001 arrays and objects, and may have 100000");
	cr_expect_eq(check("1", OG_JSON_VALUES_MAX - 2, &err), 0);
	cr_expect_eq(check("1", OG_JSON_VALUES_MAX, &err), -1);
	cr_expect_str_eq(err.message, "it has more than 1000000 values");
	cr_expect_eq(check("\"[{,\\\"[[,,\\\\\"", OG_JSON_VALUES_MAX - 2, &err), 0, "what is quoted is text");
}

Test(json, deep_nesting_is_refused)
{
	enum { DEPTH = 100000 };
	og_autofree char *text = og_alloc(DEPTH);
	json_t *root;
	struct og_error err;

	memset(text, '[', DEPTH);
	memcpy(text, "{\"a\":", 5);
	cr_expect_eq(og_json_parse(text, DEPTH, &root, &err), -1);
}

Test(json, bytes_that_are_not_utf8_become_question_marks)
{
	static const char *const texts[][2] = {
		{"", ""},
		{"plain \303\251", "plain \303\251"},
		{"\xff\xfe.", "??."},
		{"cut \303", "cut ?"},
	};

	for (size_t i = 0; i < OG_COUNT(texts); i++) {
		json_t *text = og_json_text(texts[i][0]);

		cr_expect_str_eq(json_string_value(text), texts[i][1]);
		json_decref(text);
	}
}

Test(json, a_list_has_a_bound)
{
	static const char text[] = "{\"two\":[1,2],\"none\":[],\"text\":\"x\"}";
	const json_t *list;
	json_t *root;
	struct og_error err = {0};

	cr_assert_eq(og_json_parse(text, strlen(text), &root, &err), 0);
	cr_expect_eq(og_json_list(root, "two", 2, &list, &err), 0);
	cr_expect_eq(json_array_size(list), 2);
	cr_expect_eq(og_json_list(root, "absent", 2, &list, &err), 0);
	cr_expect_eq(json_array_size(list), 0);
	cr_expect_eq(og_json_list(root, "two", 1, &list, &err), -1);
	cr_expect_str_eq(err.message, "'two' has 2 items, more than 1");
	cr_expect_eq(og_json_list(root, "text", 1, &list, &err), -1);
	cr_expect_str_eq(err.message, "'text' is not an array");
	json_decref(root);
}
