#include "hand_back.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/parse.h"
#include "leaks.h"

#define ID    "00000000-0000-4000-8000-000000000001"
#define LEASE "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define LATER "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

TestSuite(hand_back, .timeout = 60);

static const struct og_identity who = {
	.node_id = "11111111-1111-4111-8111-111111111111", .node_name = "NodeA", .worker = "NodeA/Small/1"};

static const struct og_message placed = {.exchange = OG_X_WORK,
	.routing_key = "small",
	.type = OG_T_REQUEST,
	.message_id = ID,
	.correlation_id = ID,
	.reply_to = "producer~00000000000000000000000000000001",
	.user_id = "scheduler",
	.content_type = "application/json",
	.timestamp_s = 1700000000,
	.redelivered = true,
	.delivery_tag = 5,
	.headers = {{"og-version", "1.1", 0}, {"og-attempt", NULL, 2}, {"og-epoch", NULL, 42}, {"og-lease", LEASE, 0},
		{"og-tenant", "t", 0}, {"og-tried", "x", 0}, {"og-error", "engine_cut", 0},
		{"x-delivery-count", NULL, 3}, {"og-later", "from the future", 0}, {"their-own", NULL, 7}},
	.n_headers = 10,
	.body = "a\0b",
	.body_len = 3};

static struct og_run *run(void)
{
	struct og_envelope e;
	struct og_error err;
	struct og_run *r;

	cr_assert_eq(og_envelope_decode(&placed, &e, &err), 0, "%s", err.message);
	r = og_run_new(&e, 1, 5, 0);
	r->placed = og_message_copy(&placed);
	r->fault = OG_FAULT_WORKER_LOST;
	return r;
}

static const char *text(const struct og_message *m, const char *name)
{
	const struct og_header *h = og_message_header(m, name);

	cr_assert(h && h->text, "%s", name);
	return h->text;
}

Test(hand_back, is_the_request_as_it_was_placed_and_why)
{
	struct og_run *r = run();
	og_autofree struct og_message *m = og_hand_back(r, &who, "gone");

	og_run_free(r);
	cr_assert_str_eq(m->exchange, OG_X_RETRY);
	cr_assert_str_eq(m->routing_key, OG_K_RETRY);
	cr_assert(m->persistent);
	cr_assert_null(m->user_id);
	cr_assert_str_eq(m->message_id, ID);
	cr_assert_str_eq(m->reply_to, placed.reply_to);
	cr_assert_str_eq(m->content_type, "application/json");
	cr_assert_eq(m->timestamp_s, 1700000000);
	cr_assert_eq(m->body_len, 3);
	cr_assert_eq(memcmp(m->body, "a\0b", 3), 0);
	cr_assert_eq(og_message_header(m, "og-attempt")->number, 2);
	cr_assert_eq(og_message_header(m, "og-epoch")->number, 42);
	cr_assert_str_eq(text(m, "og-lease"), LEASE);
	cr_assert_str_eq(text(m, "og-tenant"), "t");
	cr_assert_str_eq(text(m, "og-tried"), "x");
	cr_assert_str_eq(text(m, "og-later"), "from the future");
	cr_assert_eq(og_message_header(m, "their-own")->number, 7);
	cr_assert_null(og_message_header(m, "x-delivery-count"));
	cr_assert_str_eq(text(m, "og-error"), "worker_lost", "ours, not the attempt's before");
	cr_assert_str_eq(text(m, "og-reason"), "gone");
	cr_assert_eq(og_message_header(m, "og-run")->number, 3);
	cr_assert_str_eq(text(m, "og-node"), who.node_id);
	cr_assert_str_eq(text(m, "og-node-name"), "NodeA");
	cr_assert_str_eq(text(m, "og-worker"), "NodeA/Small/1");
}

Test(hand_back, with_the_lease_that_counts_now)
{
	struct og_run *r = run();
	struct og_envelope later = {.attempt = 2, .epoch = 43, .lease = LATER};
	og_autofree struct og_message *m = NULL;

	og_run_take_over(r, &later, 1, 6);
	m = og_hand_back(r, &who, "gone");
	og_run_free(r);
	cr_assert_str_eq(text(m, "og-lease"), LATER);
	cr_assert_eq(og_message_header(m, "og-epoch")->number, 43);
}

Test(hand_back, its_reason_is_cut_between_characters)
{
	char long_words[3001], ret[OG_REASON_MAX + 1];

	og_hand_back_reason("short \xc3\xa9", ret);
	cr_assert_str_eq(ret, "short \xc3\xa9");
	og_hand_back_reason("", ret);
	cr_assert_str_eq(ret, "");
	/* Every place where the cut can fall in a character of three bytes. */
	for (size_t shift = 0; shift < 3; shift++) {
		memset(long_words, 'x', shift);
		for (size_t i = shift; i + 3 <= 3000; i += 3)
			memcpy(long_words + i, "\xe2\x82\xac", 4);
		og_hand_back_reason(long_words, ret);
		cr_assert(og_utf8_valid(ret, strlen(ret), NULL));
		cr_assert_gt(strlen(ret), OG_REASON_MAX - 3);
		cr_assert_leq(strlen(ret), OG_REASON_MAX);
		cr_assert_null(strchr(ret, '?'));
	}
	og_hand_back_reason("a\xff\xc3", ret);
	cr_assert_str_eq(ret, "a??");
}
