#include "model/tenants.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

static int parse(const char *text, struct og_tenants **ret, struct og_error *err)
{
	return og_tenants_parse(text, strlen(text), "tenants.ini", ret, err);
}

Test(tenants, without_a_file_all_are_equal_and_unlimited)
{
	struct og_tenants *t;
	const struct og_tenant_rule *r;

	cr_assert_eq(og_tenants_load("/nowhere/tenants.ini", &t, NULL), 0);
	r = og_tenants_find(t, "a");
	cr_expect_eq(r->weight, 1);
	cr_expect_eq(r->max_running + r->max_queued + r->per_minute, 0);
	og_tenants_free(t);
	cr_expect_eq(og_tenants_find(NULL, "a")->weight, 1);
}

Test(tenants, a_section_says_what_differs_from_the_default)
{
	struct og_tenants *t;

	cr_assert_eq(parse("[tenant b]\nweight = 4\n[tenant a]\nmax_running = 2 ; at most\n"
			   "[default]\nmax_queued = 100\nweight = 2\n[tenant b]\nper_minute = 6\n",
			     &t, NULL),
		0);
	cr_expect_eq(og_tenants_find(t, "b")->weight, 4);
	cr_expect_eq(og_tenants_find(t, "b")->max_queued, 100);
	cr_expect_eq(og_tenants_find(t, "b")->per_minute, 6);
	cr_expect_eq(og_tenants_find(t, "a")->weight, 2);
	cr_expect_eq(og_tenants_find(t, "a")->max_running, 2);
	cr_expect_eq(og_tenants_find(t, "c")->max_queued, 100);
	cr_expect_eq(og_tenants_find(t, "c")->max_running, 0);
	og_tenants_free(t);
}

/* Each says the line, what, and how to mend it. */
Test(tenants, bad_input_is_refused)
{
	static const struct {
		const char *text, *words[4];
	} rows[] = {
		{"[tenant a]\nweight = 0\n", {"tenants.ini:2:", "weight", "1", "credentials"}},
		{"[tenant a]\nweight = -1\n", {"tenants.ini:2:", "weight", "1", "credentials"}},
		{"[tenant a]\nweight = 1001\n", {"tenants.ini:2:", "1000"}},
		{"[tenant a]\nweight = heavy\n", {"tenants.ini:2:", "heavy"}},
		{"[tenant a]\n\nmax_running = -1\n", {"tenants.ini:3:", "max_running", "0 is any number"}},
		{"[tenant a]\nmax_runing = 1\n", {"tenants.ini:2:", "max_runing", "max_running"}},
		{"[tenant a]\nweight = 1\nweight = 2\n", {"tenants.ini:3:", "twice"}},
		{"weight = 1\n", {"tenants.ini:1:", "[default]"}},
		{"[tenant ]\nweight = 1\n", {"tenants.ini:2:", "[tenant <name>]"}},
		{"[tenants a]\nweight = 1\n", {"tenants.ini:2:", "[tenant <name>]"}},
	};

	for (size_t i = 0; i < OG_COUNT(rows); i++) {
		struct og_tenants *t = NULL;
		struct og_error err = {0};

		cr_expect_eq(parse(rows[i].text, &t, &err), -1, "%s", rows[i].text);
		cr_expect_null(t);
		for (size_t k = 0; k < OG_COUNT(rows[i].words) && rows[i].words[k]; k++)
			cr_expect_not_null(strstr(err.message, rows[i].words[k]), "'%s' is not in: %s",
				rows[i].words[k], err.message);
	}
}
