#include "api/file_expiry.h"

#include <criterion/criterion.h>
#include <string.h>

#include "leaks.h"

static int read_json(const char *text, int64_t *ret)
{
	json_t *said = json_loads(text, JSON_DECODE_ANY, NULL);
	struct og_refusal why = {0};
	int rc = og_file_expiry("expires_after", said, ret, &why);

	if (rc < 0)
		cr_expect(why.status == 400 && !strcmp(why.param, "expires_after"), "%s", text);
	json_decref(said);
	return rc;
}

Test(file_expiry, is_seconds_after_the_making)
{
	int64_t s = -1;

	cr_expect(read_json("{\"anchor\":\"created_at\",\"seconds\":3600}", &s) == 0 && s == 3600);
	cr_expect(read_json("null", &s) == 0 && s == 0);
	cr_expect(og_file_expiry("expires_after", NULL, &s, NULL) == 0 && s == 0);
	cr_expect(og_file_expiry_of_form("expires_after", "created_at", "2592000", &s, NULL) == 0 && s == 2592000);
	cr_expect(og_file_expiry_of_form("expires_after", NULL, NULL, &s, NULL) == 0 && s == 0);
}

Test(file_expiry, what_is_wrong_is_refused)
{
	static const char *const bad[] = {"{}", "7", "{\"anchor\":\"created_at\"}",
		"{\"anchor\":\"last_used\",\"seconds\":60}", "{\"anchor\":\"created_at\",\"seconds\":0}",
		"{\"anchor\":\"created_at\",\"seconds\":2592001}"};
	static const char *const fields[][2] = {
		{"created_at", NULL}, {NULL, "60"}, {"created_at", "soon"}, {"other", "60"}, {"created_at", "2592001"}};
	struct og_refusal why;
	int64_t s;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		cr_expect_eq(read_json(bad[i], &s), -1, "%s", bad[i]);
	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++)
		cr_expect_eq(og_file_expiry_of_form("expires_after", fields[i][0], fields[i][1], &s, &why), -1);
}
