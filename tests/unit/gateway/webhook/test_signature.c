#include "webhook/signature.h"

#include <criterion/criterion.h>
#include <string.h>

TestSuite(signature, .timeout = 30);

/* The example of the standard's own libraries. */
static const char secret[] = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
static const char id[] = "msg_p5jXN8AQM9LWM0D4loKWxJek";
static const char body[] = "{\"test\": 2432232314}";

Test(signature, is_the_standards)
{
	char signature[OG_WEBHOOK_SIGNATURE_SIZE];

	cr_assert_eq(og_webhook_sign(secret, id, 1614265330, body, strlen(body), signature, NULL), 0);
	cr_expect_str_eq(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

Test(signature, covers_all_that_it_is_of)
{
	char first[OG_WEBHOOK_SIGNATURE_SIZE], other[OG_WEBHOOK_SIGNATURE_SIZE];

	cr_assert_eq(og_webhook_sign(secret, id, 1, body, strlen(body), first, NULL), 0);
	og_webhook_sign(secret, "msg_other", 1, body, strlen(body), other, NULL);
	cr_expect_str_neq(first, other);
	og_webhook_sign(secret, id, 2, body, strlen(body), other, NULL);
	cr_expect_str_neq(first, other);
	og_webhook_sign(secret, id, 1, body, strlen(body) - 1, other, NULL);
	cr_expect_str_neq(first, other);
}

Test(signature, of_a_secret_with_padding)
{
	char padded[OG_WEBHOOK_SIGNATURE_SIZE], zero[OG_WEBHOOK_SIGNATURE_SIZE];

	/* HMAC fills a key up with zeros: 25 bytes and the same with a zero behind are one key, but one is written with "==". */
	cr_assert_eq(og_webhook_sign("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwAQ==", "a", 1, "b", 1, padded, NULL), 0);
	cr_assert_eq(og_webhook_sign("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwAQA=", "a", 1, "b", 1, zero, NULL), 0);
	cr_expect_str_eq(padded, zero);
}

Test(signature, what_is_no_secret_is_refused)
{
	static const char *const wrong[] = {"", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_!!!!",
		"whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=="};
	char signature[OG_WEBHOOK_SIGNATURE_SIZE];
	struct og_error err;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		cr_expect_eq(og_webhook_sign(wrong[i], id, 1, body, 1, signature, &err), -1, "%s", wrong[i]);
		cr_expect_eq(err.kind, OG_INVALID);
	}
}

Test(signature, a_new_secret_is_one_and_another_each_time)
{
	char one[OG_WEBHOOK_SECRET_SIZE], two[OG_WEBHOOK_SECRET_SIZE], signature[OG_WEBHOOK_SIGNATURE_SIZE];

	og_webhook_secret_new(one);
	og_webhook_secret_new(two);
	cr_expect_eq(strlen(one), OG_WEBHOOK_SECRET_SIZE - 1);
	cr_expect_str_neq(one, two);
	cr_expect_eq(og_webhook_sign(one, id, 1, body, 1, signature, NULL), 0);
}
