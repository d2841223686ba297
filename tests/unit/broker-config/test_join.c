#include "join.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

TestSuite(join, .timeout = 60);

static const struct og_join plain = {
	.endpoints = "10.0.0.1:5672,broker.example:5671",
	.cluster = "gatewayai-poc",
	.worker = {"worker-nodeb", "aa11"},
	.producer = {"producer-nodeb", "bb22"},
};
#define PLAIN                                                                                                          \
	"og://10.0.0.1:5672,broker.example:5671/gatewayai-poc?worker=worker-nodeb:aa11&producer=producer-nodeb:bb22"

Test(join, is_one_line_for_people)
{
	char *text = og_join_encode(&plain);

	cr_assert_str_eq(text, PLAIN);
	free(text);
}

static void round_trip(const struct og_join *j)
{
	char *text = og_join_encode(j);
	struct og_join back;
	struct og_error err = {0};

	cr_assert_eq(og_join_decode(text, &back, &err), 0, "%s: %s", text, err.message);
	cr_assert_str_eq(back.endpoints, j->endpoints);
	cr_assert_str_eq(back.cluster, j->cluster);
	cr_assert_str_eq(back.worker.user, j->worker.user);
	cr_assert_str_eq(back.worker.password, j->worker.password);
	cr_assert_str_eq(back.producer.user, j->producer.user);
	cr_assert_str_eq(back.producer.password, j->producer.password);
	cr_assert_eq(back.tls, j->tls);
	free(text);
}

Test(join, comes_back_as_it_was)
{
	struct og_join odd = plain;

	round_trip(&plain);
	odd.tls = true;
	strcpy(odd.endpoints, "[fd00::1]:5671");
	strcpy(odd.cluster, "A_b.c-9");
	strcpy(odd.worker.password, "p:&=/?#%+@ü~");
	round_trip(&odd);
}

Test(join, ignores_what_a_later_version_adds)
{
	struct og_join j;

	cr_assert_eq(og_join_decode(PLAIN "&tls=1&region=eu", &j, NULL), 0);
	cr_assert(j.tls);
}

Test(join, says_what_is_wrong_and_tells_no_password)
{
	static const struct {
		const char *text, *expected;
	} cases[] = {
		{"", "does not begin with og://"},
		{"amqp://h/c?worker=worker-a:secret&producer=producer-a:secret", "does not begin with og://"},
		{"og://h:1", "cut"},
		{"og://h:1/c", "cut"},
		{"og:///c?worker=worker-a:secret&producer=producer-a:secret", "the address is empty"},
		{"og://h:1/?worker=worker-a:secret&producer=producer-a:secret", "the cluster is empty"},
		{"og://h:1/c?worker=worker-a:secret", "is missing"},
		{"og://h:1/c?worker=worker-a&producer=producer-a:secret", "worker is not user:password"},
		{"og://h:1/c?worker=producer-a:secret&producer=producer-a:secret", "does not begin with worker-"},
		{"og://h:1/c?worker=worker-A:secret&producer=producer-a:secret", "does not begin with worker-"},
		{"og://h:1/c?worker=worker-a:secret&producer=scheduler:secret", "does not begin with producer-"},
		{"og://h:1/c?worker=worker-a:%zz&producer=producer-a:secret", "broken %-code"},
		{"og://h:1/c?worker=worker-a:secret%4", "broken %-code"},
		{"og://h:1/c?worker=worker-a:%0asecret&producer=producer-a:secret", "cannot be"},
		{"og://h 1/c?worker=worker-a:secret&producer=producer-a:secret", "cannot be"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct og_join j = {.cluster = "untouched"};
		struct og_error err = {0};

		cr_expect_eq(og_join_decode(cases[i].text, &j, &err), -1, "%s", cases[i].text);
		cr_expect_eq(err.kind, OG_INVALID);
		cr_expect_not_null(strstr(err.message, cases[i].expected), "%s: '%s' does not say '%s'", cases[i].text,
			err.message, cases[i].expected);
		cr_expect_null(strstr(err.message, "secret"), "%s", err.message);
		cr_expect_str_eq(j.cluster, "untouched");
	}
}

Test(join, refuses_what_is_too_long)
{
	char text[9000] = "og://";
	struct og_join j;

	memset(text + 5, 'h', 8000);
	strcpy(text + 8005, ":1/c?worker=worker-a:x&producer=producer-a:x");
	cr_assert_eq(og_join_decode(text, &j, NULL), -1);
}
