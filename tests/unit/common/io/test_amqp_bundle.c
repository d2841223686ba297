#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/amqp_bundle.h"
#include "model/names.h"

TestSuite(amqp_bundle, .timeout = 60);

static struct og_message message(const char *id, const char *body)
{
	return (struct og_message){
		.exchange = "x",
		.routing_key = "k",
		.type = "test",
		.message_id = id,
		.user_id = "scheduler-a",
		.reply_to = "og~1",
		.persistent = true,
		.headers = {{.name = "og-tier", .text = "Grüße"}, {.name = "og-seq", .number = -7}},
		.n_headers = 2,
		.body = body,
		.body_len = strlen(body),
	};
}

/* As the broker delivers it, with its own words, to a user who did not write the parts. */
static struct og_message delivered(const struct og_bundle *b)
{
	const struct og_message first = message("", "");
	struct og_message m = og_bundle_message(b, &first);

	m.user_id = "gateway-b";
	m.redelivered = true;
	m.delivery_tag = 9;
	m.headers[m.n_headers++] = (struct og_header){.name = "x-delivery-count", .number = 3};
	m.headers[m.n_headers++] = (struct og_header){.name = "og-version", .text = "1.3"};
	return m;
}

Test(amqp_bundle, what_goes_in_comes_out_in_its_order)
{
	static const char *const bodies[] = {"first", "", "third, with\na line"};
	struct og_bundle_reader r = {0};
	struct og_message m, outer;
	struct og_bundle b = {0};

	for (size_t i = 0; i < 3; i++) {
		char id[8];

		snprintf(id, sizeof(id), "id-%zu", i);
		m = message(id, bodies[i]);
		cr_assert_eq(og_bundle_add(&b, &m), 0);
	}
	outer = delivered(&b);
	cr_assert_eq(og_bundle_parts(&outer), 3);
	r.outer = &outer;
	for (size_t i = 0; i < 3; i++) {
		cr_assert(og_bundle_next(&r, &m));
		cr_assert_eq(m.message_id[3], (char)('0' + i));
		cr_assert_eq(m.body_len, strlen(bodies[i]));
		cr_assert_eq(memcmp(m.body, bodies[i], m.body_len), 0);
		cr_assert_str_eq(m.type, "test");
		cr_assert_str_eq(og_message_text(&m, "og-tier"), "Grüße");
		cr_assert_eq(og_message_number(&m, "og-seq"), -7);
		cr_assert_str_eq(m.exchange, "x");
		cr_assert_eq(m.delivery_tag, 9);
	}
	cr_assert_not(og_bundle_next(&r, &m));
	og_bundle_reader_done(&r);
	og_bundle_done(&b);
}

Test(amqp_bundle, what_the_broker_says_holds_and_what_a_part_says_of_it_does_not)
{
	struct og_message m = message("id", "body"), outer;
	struct og_bundle_reader r = {.outer = &outer};
	struct og_bundle b = {0};

	m.headers[m.n_headers++] = (struct og_header){.name = "x-delivery-count", .number = 100};
	m.headers[m.n_headers++] = (struct og_header){.name = "x-first-death-queue", .text = "forged"};
	og_bundle_add(&b, &m);
	outer = delivered(&b);
	cr_assert(og_bundle_next(&r, &m));
	cr_assert_str_eq(m.user_id, "gateway-b");
	cr_assert(m.redelivered);
	cr_assert_eq(og_message_number(&m, "x-delivery-count"), 3);
	cr_assert_null(og_message_header(&m, "x-first-death-queue"));
	cr_assert_null(og_message_header(&m, "og-version"), "the bundle's own headers are not the part's");
	og_bundle_reader_done(&r);
	og_bundle_done(&b);
}

Test(amqp_bundle, is_full_by_number_and_by_bytes)
{
	static char large[OG_BUNDLE_PART];
	struct og_message m = message("id", "x");
	struct og_bundle b = {0};
	unsigned n = 0;

	while (og_bundle_add(&b, &m) == 0)
		n++;
	cr_assert_eq(n, OG_BUNDLE_PARTS);
	og_bundle_done(&b);

	m.body = large;
	m.body_len = sizeof(large);
	cr_assert_not(og_bundle_takes(&m), "it has a header too");
	m.body_len -= 1024;
	cr_assert(og_bundle_takes(&m));
	b = (struct og_bundle){0};
	for (n = 0; og_bundle_add(&b, &m) == 0; n++)
		;
	cr_assert_geq(n, 2);
	cr_assert_leq(b.body.len, OG_BUNDLE_BYTES);
	og_bundle_done(&b);
}

Test(amqp_bundle, what_cannot_be_read_is_none)
{
	struct og_message m = message("id", "body"), outer;
	struct og_bundle b = {0};
	char bytes[OG_BUNDLE_PARTS_MAX * 8 + 8] = {0};
	size_t len;

	og_bundle_add(&b, &m);
	og_bundle_add(&b, &m);
	outer = delivered(&b);
	len = outer.body_len;
	for (outer.body_len = 0; outer.body_len < len; outer.body_len++)
		cr_assert_eq(og_bundle_parts(&outer), outer.body_len == len / 2, "cut at %zu", outer.body_len);
	outer.body_len = len;
	outer.type = "test";
	cr_assert_eq(og_bundle_parts(&outer), 0, "it does not say that it is one");
	outer.type = OG_T_BUNDLE;

	memcpy(bytes, outer.body, len < sizeof(bytes) ? len : sizeof(bytes));
	memset(bytes, 0xff, 8); /* lengths whose sum is beyond 32 bits */
	outer.body = bytes;
	cr_assert_eq(og_bundle_parts(&outer), 0);
	memset(bytes, 0, sizeof(bytes)); /* parts with neither header nor body */
	outer.body_len = OG_BUNDLE_PARTS_MAX * 8;
	cr_assert_eq(og_bundle_parts(&outer), OG_BUNDLE_PARTS_MAX);
	outer.body_len += 8;
	cr_assert_eq(og_bundle_parts(&outer), 0, "one too many");
	outer.body = NULL;
	cr_assert_eq(og_bundle_parts(&outer), 0, "it was over the cap");
	og_bundle_done(&b);
}

Test(amqp_bundle, with_more_headers_than_the_brokers_is_none)
{
	static char text[OG_BUNDLE_HEADERS];
	struct og_message m = message("id", "body"), outer;
	struct og_bundle b = {0};

	og_bundle_add(&b, &m);
	outer = delivered(&b);
	cr_assert_eq(og_bundle_parts(&outer), 1);
	memset(text, 'x', sizeof(text) - 1);
	outer.headers[outer.n_headers++] = (struct og_header){.name = "x-long", .text = text};
	cr_assert_eq(og_bundle_parts(&outer), 0, "each part would have them");
	og_bundle_done(&b);
}

Test(amqp_bundle, a_part_that_is_a_bundle_is_opened_by_nobody)
{
	struct og_message m = message("id", "body"), outer;
	struct og_bundle_reader r = {.outer = &outer};
	struct og_bundle inner = {0}, b = {0};

	og_bundle_add(&inner, &m);
	m = og_bundle_message(&inner, &m);
	og_bundle_add(&b, &m);
	outer = delivered(&b);
	cr_assert(og_bundle_next(&r, &m));
	cr_assert_str_eq(m.type, OG_T_UNREADABLE, "whoever passes it on would speak for what is in it");
	cr_assert_eq(m.body_len, inner.body.len);
	og_bundle_reader_done(&r);
	og_bundle_done(&b);
	og_bundle_done(&inner);
}

Test(amqp_bundle, a_part_without_a_header_that_can_be_read_does_not_hide_the_next)
{
	struct og_message m = message("id", "body"), outer;
	struct og_bundle_reader r = {.outer = &outer};
	struct og_bundle b = {0};
	char *bytes;

	og_bundle_add(&b, &m);
	og_bundle_add(&b, &m);
	outer = delivered(&b);
	bytes = b.body.data;
	memset(bytes + 8, 0xff, 24);
	cr_assert_eq(og_bundle_parts(&outer), 2);
	cr_assert(og_bundle_next(&r, &m));
	cr_assert_str_eq(m.type, OG_T_UNREADABLE);
	cr_assert_null(m.message_id);
	cr_assert_str_eq(m.user_id, "gateway-b");
	cr_assert_eq(m.body_len, strlen("body"), "its own, not all of the bundle's");
	cr_assert(og_bundle_next(&r, &m));
	cr_assert_str_eq(m.message_id, "id");
	og_bundle_reader_done(&r);
	og_bundle_done(&b);
}

Test(amqp_bundle, messages_of_different_places_do_not_meet)
{
	struct og_message a = message("a", ""), b = message("b", "");

	cr_assert(og_bundle_same_place(&a, &b));
	b.routing_key = "other";
	cr_assert_not(og_bundle_same_place(&a, &b));
	b = a;
	b.exchange = NULL;
	cr_assert_not(og_bundle_same_place(&a, &b));
	b = a;
	b.persistent = false;
	cr_assert_not(og_bundle_same_place(&a, &b));
}
