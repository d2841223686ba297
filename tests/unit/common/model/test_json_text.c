/* Ours against jansson's: whatever the text is, both must make the same of it. */
#include "model/json_text.h"

#include <criterion/criterion.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"

TestSuite(json_text, .timeout = 60);

static const char chunk[] =
	"{\"id\":\"chatcmpl-1\",\"created\":1700000000,\"model\":\"stub\",\"choices\":[{\"index\":0,"
	"\"delta\":{\"content\":\"a \\\"word\\\" \\u00e4\\ud83d\\ude00\\n\"},\"finish_reason\":null}]}";

static const char *const texts[] = {chunk, "{}", "[]", " [ ] \n", "[[],{}]",
	"{\"a\":{\"b\":[1,-2,0]},\"c\":true,\"d\":false}", "[0.5,-1.25e-3,1E5,-0,-0.0,123456789012345678]",
	"[\"\",\"\\b\\f\\r\\t\\/\\\\\"]", "[\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"]",
	"{\"a\\tb\":\"\\u0041\",\"\":null}"};

/* Bytes that mean something, somewhere. */
static const char bytes[] = "{}[]\",:\\ \n0159-+.eEutfnbdD/\x01\x1f\x7f\x80\xbf\xc0\xc3\xe0\xed\xf4\xff";

static const size_t flags[] = {0, JSON_ALLOW_NUL, JSON_REJECT_DUPLICATES, JSON_DECODE_ANY, JSON_DISABLE_EOF_CHECK};

static void reads_as_jansson(const char *text, size_t len)
{
	for (size_t i = 0; i < OG_COUNT(flags); i++) {
		json_error_t want = {0}, got = {0};
		json_t *theirs = json_loadb(text, len, flags[i], &want),
		       *ours = og_json_load(text, len, flags[i], &got);

		cr_expect(!theirs == !ours && (!theirs || json_equal(theirs, ours)), "%.*s", (int)len, text);
		if (!theirs)
			cr_expect_str_eq(got.text, want.text);
		json_decref(theirs);
		json_decref(ours);
	}
}

Test(json_text, what_is_plain_needs_no_jansson)
{
	for (size_t i = 0; i < OG_COUNT(texts); i++) {
		json_t *json = og_json_load_plain(texts[i], strlen(texts[i]));

		cr_expect_not_null(json, "%s", texts[i]);
		json_decref(json);
	}
}

Test(json_text, what_is_not_plain_is_left_to_jansson)
{
	static const char *const others[] = {"{\"a\":1,\"a\":2}", "[\"\\u0000\"]", "[1e999]", "[9999999999999999999]",
		"[\"\\ud800\"]", "1", "\"a\"", ""};
	struct og_buf deep;

	og_buf_init(&deep, 4096);
	for (int i = 0; i < 100; i++)
		og_buf_adds(&deep, "[");
	for (int i = 0; i < 100; i++)
		og_buf_adds(&deep, "]");
	cr_expect_null(og_json_load_plain(deep.data, deep.len));
	reads_as_jansson(deep.data, deep.len);
	og_buf_done(&deep);
	for (size_t i = 0; i < OG_COUNT(others); i++) {
		cr_expect_null(og_json_load_plain(others[i], strlen(others[i])), "%s", others[i]);
		reads_as_jansson(others[i], strlen(others[i]));
	}
}

Test(json_text, every_byte_of_a_text_may_be_another)
{
	for (size_t i = 0; i < OG_COUNT(texts); i++) {
		size_t len = strlen(texts[i]);
		og_autofree char *text = og_memdup(texts[i], len);

		for (size_t at = 0; at < len; at++) {
			for (size_t b = 0; b < sizeof(bytes); b++) { /* the NUL too */
				text[at] = bytes[b];
				reads_as_jansson(text, len);
			}
			text[at] = texts[i][at];
			reads_as_jansson(text, at); /* cut off */
		}
	}
}

static void writes_as_jansson(const json_t *json)
{
	for (int digits = 0; digits <= 12; digits += 12) {
		size_t how = JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(digits);
		og_autofree char *theirs = json_dumps(json, how), *ours = og_json_line(json, digits);

		cr_expect_str_eq(ours, theirs);
	}
}

Test(json_text, a_line_is_jansson_s)
{
	json_t *all = json_array();

	for (size_t i = 0; i < OG_COUNT(texts); i++) {
		json_t *json = json_loads(texts[i], 0, NULL);

		if (json)
			json_array_append_new(all, json);
	}
	for (int c = 0; c < 0x80; c++)
		json_array_append_new(all, json_stringn((const char[]){(char)c}, 1));
	json_array_append_new(all, json_pack("[f,f,f,f,I,I]", 0.1, 1e300, -2.0, 1.0 / 3, INT64_MIN, INT64_MAX));
	writes_as_jansson(all);
	writes_as_jansson(json_true());
	json_decref(all);
}
