#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "io/amqp_bundle.h"
#include "io/amqp_window.h"

TestSuite(amqp_window, .timeout = 60);

static struct og_window w;
static char settled[4096]; /* "<name><c|n|r|l> …" in the order of settling */

static void on_settled(void *ctx, enum og_settled how)
{
	char one[16];

	snprintf(one, sizeof(one), "%s%c ", (const char *)ctx, "cnrl"[how]);
	strcat(settled, one);
}

static int add(const char *name)
{
	const struct og_message m = {.message_id = name, .body = "12345678", .body_len = 8};

	return og_window_add(&w, &m, 0, on_settled, (void *)(uintptr_t)name);
}

static void add_all(const char *names) /* one letter each */
{
	static const char *const letters[] = {"a", "b", "c", "d", "e", "f", "g", "h"};

	for (; *names; names++)
		cr_assert_eq(add(letters[*names - 'a']), 0);
}

/* Sends all that waits; the ids in the order of sending. */
static const char *send_all(void)
{
	static char order[1024];
	const struct og_publish *p;
	uint64_t tag;

	order[0] = '\0';
	while ((p = og_window_next(&w, &tag)))
		strcat(order, p->m->message_id ? p->m->message_id : "");
	return order;
}

static void expect(const char *what)
{
	cr_assert_str_eq(settled, what);
	settled[0] = '\0';
}

static void teardown(void)
{
	og_window_close(&w);
}

Test(amqp_window, settles_out_of_order, .fini = teardown)
{
	og_window_init(&w, 10);
	add_all("abc");
	cr_assert_str_eq(send_all(), "abc");
	cr_assert_eq(og_window_settle(&w, 2, false, OG_CONFIRMED), 0);
	expect("bc ");
	cr_assert_eq(og_window_settle(&w, 3, false, OG_NACKED), 0);
	cr_assert_eq(og_window_settle(&w, 1, false, OG_CONFIRMED), 0);
	expect("cn ac ");
	cr_assert_eq(w.count, 0);
	cr_assert_eq(w.bytes, 0);
}

Test(amqp_window, multiple_settles_all_up_to_the_tag_that_are_left, .fini = teardown)
{
	og_window_init(&w, 10);
	add_all("abcde");
	send_all();
	og_window_settle(&w, 2, false, OG_CONFIRMED);
	og_window_settle(&w, 4, true, OG_CONFIRMED);
	expect("bc ac cc dc ");
	add_all("f");
	send_all();
	og_window_settle(&w, 0, true, OG_NACKED); /* all */
	expect("en fn ");
}

Test(amqp_window, a_tag_settles_once, .fini = teardown)
{
	og_window_init(&w, 10);
	add_all("ab");
	send_all();
	og_window_settle(&w, 1, false, OG_CONFIRMED);
	cr_assert_eq(og_window_settle(&w, 1, false, OG_CONFIRMED), 0);
	cr_assert_eq(og_window_settle(&w, 1, true, OG_CONFIRMED), 0);
	expect("ac ");
}

Test(amqp_window, refuses_a_tag_that_was_never_sent, .fini = teardown)
{
	og_window_init(&w, 10);
	add_all("ab");
	cr_assert_eq(og_window_settle(&w, 1, false, OG_CONFIRMED), -1);
	send_all();
	cr_assert_eq(og_window_settle(&w, 3, true, OG_CONFIRMED), -1);
	cr_assert_eq(og_window_settle(&w, 0, false, OG_CONFIRMED), -1);
	expect("");
}

Test(amqp_window, returned_and_then_acked_is_returned, .fini = teardown)
{
	og_window_init(&w, 10);
	add_all("abc");
	send_all();
	og_window_returned(&w, 2);
	og_window_returned(&w, 3);
	og_window_returned(&w, 9); /* nothing of ours */
	og_window_settle(&w, 2, true, OG_CONFIRMED);
	og_window_settle(&w, 3, false, OG_NACKED);
	expect("ac br cn ");
}

Test(amqp_window, is_full_by_count_and_has_room_again_once, .fini = teardown)
{
	og_window_init(&w, 2);
	add_all("ab");
	cr_assert(!og_window_room_again(&w));
	cr_assert_eq(add("c"), -1);
	cr_assert(!og_window_room_again(&w));
	send_all();
	og_window_settle(&w, 1, false, OG_CONFIRMED);
	cr_assert(og_window_room_again(&w));
	cr_assert(!og_window_room_again(&w), "told once");
	cr_assert_eq(add("c"), 0);
}

Test(amqp_window, is_full_by_bytes_but_takes_one_of_any_size, .fini = teardown)
{
	static char large[OG_WINDOW_BYTES + 1];
	const struct og_message m = {.body = large, .body_len = sizeof(large)};

	og_window_init(&w, 10);
	cr_assert_eq(og_window_add(&w, &m, 0, NULL, NULL), 0);
	cr_assert_eq(add("a"), -1);
	send_all();
	og_window_settle(&w, 1, false, OG_CONFIRMED);
	cr_assert_eq(add("a"), 0);
	cr_assert_eq(og_window_add(&w, &m, 0, NULL, NULL), -1);
}

Test(amqp_window, wraps_and_grows_past_a_slow_one, .fini = teardown)
{
	og_window_init(&w, 16);
	add_all("a");
	send_all();
	for (uint64_t tag = 2; tag <= 100; tag++) { /* a stays; the ring has to grow */
		add_all("b");
		send_all();
		og_window_settle(&w, tag, false, OG_CONFIRMED);
	}
	settled[0] = '\0';
	cr_assert_eq(w.count, 1);
	cr_assert_eq(w.head, 1);
	for (int i = 0; i < 28; i++) { /* 8 windows have passed it: it is waited for */
		add_all("c");
		send_all();
		og_window_settle(&w, w.next - 1, false, OG_CONFIRMED);
	}
	cr_assert_eq(add("d"), -1);
	settled[0] = '\0';
	og_window_settle(&w, 1, false, OG_CONFIRMED);
	expect("ac ");
	cr_assert(og_window_room_again(&w));
	for (uint64_t i = 0; i < 1000; i++) { /* round and round in the same ring */
		add_all("e");
		send_all();
		og_window_settle(&w, w.next - 1, false, OG_CONFIRMED);
		settled[0] = '\0';
	}
	cr_assert_eq(w.room, 128);
}

Test(amqp_window, reconnect_publishes_again_in_order, .fini = teardown)
{
	og_window_init(&w, 10);
	add_all("abcd");
	send_all();
	add_all("ef");
	og_window_returned(&w, 3);
	og_window_settle(&w, 2, false, OG_CONFIRMED);
	expect("bc ");
	cr_assert_eq(og_window_restart(&w, true), 3);
	expect("");
	cr_assert_str_eq(send_all(), "acdef");
	og_window_settle(&w, 2, true, OG_CONFIRMED); /* what was returned before is sent anew */
	expect("ac cc ");
	og_window_settle(&w, 5, true, OG_CONFIRMED);
	expect("dc ec fc ");
}

Test(amqp_window, reconnect_without_republish_loses_what_was_sent, .fini = teardown)
{
	og_window_init(&w, 10);
	add_all("ab");
	send_all();
	add_all("cd");
	cr_assert_eq(og_window_restart(&w, false), 0);
	expect("al bl ");
	cr_assert_str_eq(send_all(), "cd");
}

static void on_settled_add(void *ctx, enum og_settled how)
{
	on_settled(ctx, how);
	if (how == OG_CONFIRMED)
		cr_assert_eq(add("h"), 0);
}

Test(amqp_window, a_callback_may_publish, .fini = teardown)
{
	const struct og_message m = {0};

	og_window_init(&w, 1);
	for (int i = 0; i < 300; i++) {
		cr_assert_eq(og_window_add(&w, &m, 0, on_settled_add, (void *)(uintptr_t) "a"), 0);
		send_all();
		og_window_settle(&w, w.next - 1, true, OG_CONFIRMED);
		send_all();
		og_window_settle(&w, w.next - 1, true, OG_NACKED);
		expect("ac hn ");
	}
}

Test(amqp_window, close_loses_all_and_takes_nothing_more)
{
	og_window_init(&w, 10);
	add_all("ab");
	send_all();
	add_all("c");
	og_window_close(&w);
	expect("al bl cl ");
	cr_assert_eq(add("d"), -1);
}

/* joining */

static int join_in(const char *name, const char *key, unsigned flags)
{
	const struct og_message m = {.message_id = name, .routing_key = key, .body = "12345678", .body_len = 8};

	return og_window_add(&w, &m, flags, on_settled, (void *)(uintptr_t)name);
}

/* The parts of each that is sent, "ab|c|", as a reader finds them. */
static const char *parts_sent(void)
{
	static char order[256];
	const struct og_publish *p;
	uint64_t tag;

	order[0] = '\0';
	while ((p = og_window_next(&w, &tag))) {
		struct og_bundle_reader r = {.outer = p->m};
		struct og_message part;

		if (!og_bundle_parts(p->m))
			strcat(order, p->m->message_id);
		else
			while (og_bundle_next(&r, &part))
				strcat(order, part.message_id);
		og_bundle_reader_done(&r);
		strcat(order, "|");
	}
	return order;
}

Test(amqp_window, those_of_one_place_go_out_in_one_and_settle_together, .fini = teardown)
{
	og_window_init(&w, 10);
	join_in("a", "k", OG_PUBLISH_BUNDLE);
	join_in("b", "k", OG_PUBLISH_BUNDLE);
	join_in("c", "k", OG_PUBLISH_BUNDLE);
	cr_assert_eq(w.count, 3);
	cr_assert_str_eq(parts_sent(), "abc|");
	join_in("d", "k", OG_PUBLISH_BUNDLE);
	cr_assert_str_eq(parts_sent(), "d|", "what was sent is joined by nobody");
	og_window_returned(&w, 1);
	cr_assert_eq(og_window_settle(&w, 1, false, OG_CONFIRMED), 0);
	expect("ar br cr ");
	cr_assert_eq(og_window_settle(&w, 2, false, OG_NACKED), 0);
	expect("dn ");
	cr_assert_eq(w.bytes, 0);
}

Test(amqp_window, only_neighbours_that_both_allow_it_and_go_the_same_way_join, .fini = teardown)
{
	og_window_init(&w, 10);
	join_in("a", "k", OG_PUBLISH_BUNDLE);
	join_in("b", "other", OG_PUBLISH_BUNDLE);
	join_in("c", "k", OG_PUBLISH_BUNDLE);
	join_in("d", "k", OG_PUBLISH_BUNDLE | OG_PUBLISH_MANDATORY);
	join_in("e", "k", 0);
	join_in("f", "k", 0);
	cr_assert_str_eq(parts_sent(), "a|b|c|d|e|f|");
}

Test(amqp_window, more_than_one_message_holds_begin_the_next, .fini = teardown)
{
	og_window_init(&w, OG_BUNDLE_PARTS + 2);
	for (int i = 0; i < OG_BUNDLE_PARTS + 2; i++)
		join_in(i < OG_BUNDLE_PARTS ? "a" : "b", "k", OG_PUBLISH_BUNDLE);
	cr_assert_eq(join_in("c", "k", OG_PUBLISH_BUNDLE), -1, "each counts");
	cr_assert_str_eq(parts_sent() + OG_BUNDLE_PARTS, "|bb|");
}

Test(amqp_window, what_joined_is_sent_again_together_and_lost_together)
{
	og_window_init(&w, 10);
	join_in("a", "k", OG_PUBLISH_BUNDLE);
	join_in("b", "k", OG_PUBLISH_BUNDLE);
	parts_sent();
	cr_assert_eq(og_window_restart(&w, true), 1);
	join_in("c", "k", OG_PUBLISH_BUNDLE);
	cr_assert_str_eq(parts_sent(), "abc|");
	og_window_close(&w);
	expect("al bl cl ");
}
