#include "store/key.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

TestSuite(key, .timeout = 60);

Test(key, a_secret_has_256_bits_and_its_form)
{
	char seen[200][OG_SECRET_LEN + 1];
	bool used[128] = {false};
	int n = 0;

	for (int i = 0; i < 200; i++) {
		og_secret_make(seen[i]);
		cr_assert_eq(strlen(seen[i]), OG_SECRET_LEN);
		cr_assert(og_secret_valid(seen[i], OG_SECRET_LEN), "%s", seen[i]);
		for (int j = 0; j < i; j++)
			cr_assert_str_neq(seen[i], seen[j]);
		for (const char *at = seen[i] + 4; *at; at++) /* the first digit is a small one: 62^43 is above 2^256 */
			used[(unsigned char)*at] = true;
	}
	for (int c = 0; c < 128; c++)
		n += used[c];
	cr_assert_eq(n, 62, "every digit occurs");
}

Test(key, what_is_no_secret)
{
	char whole[] = "og-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg";

	cr_assert(og_secret_valid(whole, OG_SECRET_LEN));
	cr_expect_not(og_secret_valid(whole, OG_SECRET_LEN - 1));
	whole[0] = 's';
	cr_expect_not(og_secret_valid(whole, OG_SECRET_LEN));
	whole[0] = 'o';
	whole[20] = '\0';
	cr_expect_not(og_secret_valid(whole, OG_SECRET_LEN), "a NUL is no digit");
	whole[20] = '-';
	cr_expect_not(og_secret_valid(whole, OG_SECRET_LEN));
}

Test(key, its_hash_is_sha256)
{
	char hash[OG_HASH_LEN + 1];

	og_secret_hash("abc", 3, hash); /* FIPS 180 */
	cr_assert_str_eq(hash, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

Test(key, may_what_its_globs_name)
{
	struct og_key all = {.holds = 1},
		      some = {.models = "Llama-3.2-*,SmolLM2-135M", .regions = "eu*", .classes = "normal,batch"};

	cr_expect(og_key_may_model(&all, "anything"));
	cr_expect(og_key_may_region(&all, ""));
	cr_expect(og_key_may_class(&all, "high"));
	cr_expect(og_key_may_model(&some, "Llama-3.2-1B"));
	cr_expect(og_key_may_model(&some, "SmolLM2-135M"));
	cr_expect_not(og_key_may_model(&some, "SmolLM2-135M-x"));
	cr_expect_not(og_key_may_model(&some, "Llama-3"));
	cr_expect_not(og_key_may_model(&some, ""));
	cr_expect(og_key_may_region(&some, "eu-west"));
	cr_expect_not(og_key_may_region(&some, ""), "a key for some regions names one");
	cr_expect(og_key_may_class(&some, "batch"));
	cr_expect_not(og_key_may_class(&some, "high"));
}

Test(key, is_limited_by_itself_or_its_tenant)
{
	struct og_key none = {.limits = {.budget_per = OG_BUDGET_DAY}}, own = {.limits = {.running = 1}},
		      tenants = {.tenant_limits = {.budget = 1}};

	cr_expect_not(og_key_is_limited(&none));
	cr_expect(og_key_is_limited(&own));
	cr_expect(og_key_is_limited(&tenants));
}

Test(key, expires_at_its_time)
{
	struct og_key never = {.holds = 1}, then = {.expires_ms = 1000};

	cr_expect_not(og_key_is_expired(&never, INT64_MAX));
	cr_expect_not(og_key_is_expired(&then, 999));
	cr_expect(og_key_is_expired(&then, 1000));
}
