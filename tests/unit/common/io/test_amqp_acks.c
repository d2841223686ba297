#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/amqp_acks.h"

#define MANY 20000u

TestSuite(amqp_acks, .timeout = 60);

static struct og_acks a;
static char said[4096]; /* "<tag>" or "..<tag>" of one that settles all before too, with a blank behind */

static void say(void *ctx, uint64_t tag, bool multiple)
{
	char one[32];

	(void)ctx;
	snprintf(one, sizeof(one), "%s%" PRIu64 " ", multiple ? ".." : "", tag);
	strcat(said, one);
}

static void deliver(uint64_t from, uint64_t to)
{
	for (uint64_t tag = from; tag <= to; tag++)
		og_acks_delivered(&a, tag);
}

static const char *flush(void)
{
	*said = '\0';
	og_acks_flush(&a, say, NULL);
	return said;
}

Test(amqp_acks, what_is_settled_from_the_lowest_on_is_one_ack)
{
	deliver(1, 5);
	og_acks_add(&a, 2);
	og_acks_add(&a, 1);
	og_acks_add(&a, 3);
	cr_assert_str_eq(flush(), "..3 ");
	cr_assert_str_eq(flush(), "");
	og_acks_add(&a, 4);
	cr_assert_str_eq(flush(), "4 ");
	og_acks_done(&a);
}

Test(amqp_acks, behind_a_hole_each_is_acked_on_its_own)
{
	deliver(1, 6);
	og_acks_add(&a, 1);
	og_acks_add(&a, 3);
	og_acks_add(&a, 5);
	cr_assert_str_eq(flush(), "3 5 1 ");
	og_acks_add(&a, 4);
	og_acks_add(&a, 2);
	cr_assert_str_eq(flush(), "..4 ", "3 was said and is in it; 5 is not the one named");
	og_acks_done(&a);
}

Test(amqp_acks, what_is_rejected_is_no_hole_and_never_the_one_named)
{
	deliver(1, 3);
	og_acks_rejected(&a, 2);
	og_acks_rejected(&a, 3);
	og_acks_add(&a, 1);
	cr_assert_str_eq(flush(), "1 ");
	deliver(4, 5);
	og_acks_add(&a, 4);
	og_acks_add(&a, 5);
	cr_assert_str_eq(flush(), "..5 ");
	og_acks_done(&a);
}

Test(amqp_acks, one_that_is_not_held_is_not_said)
{
	deliver(1, 2);
	og_acks_add(&a, 1);
	og_acks_add(&a, 1);
	og_acks_add(&a, 3);
	cr_assert_str_eq(flush(), "1 ");
	og_acks_add(&a, 1);
	cr_assert_str_eq(flush(), "");
	og_acks_done(&a);
}

Test(amqp_acks, a_delivery_that_is_held_long_does_not_lose_the_others)
{
	deliver(1, 1);
	for (uint64_t tag = 2; tag <= MANY; tag++) {
		char want[32];

		deliver(tag, tag);
		og_acks_add(&a, tag);
		snprintf(want, sizeof(want), "%" PRIu64 " ", tag);
		cr_assert_str_eq(flush(), want);
	}
	cr_assert_leq(a.room, 128, "what is settled takes no memory");
	deliver(MANY + 1, MANY + 3); /* the last stays held: what is before it goes together all the same */
	og_acks_add(&a, MANY + 1);
	og_acks_add(&a, MANY + 2);
	og_acks_add(&a, 1);
	cr_assert_str_eq(flush(), "..20002 ");
	og_acks_done(&a);
}

Test(amqp_acks, a_new_channel_begins_anew)
{
	deliver(1, 9);
	og_acks_add(&a, 1);
	og_acks_restart(&a);
	cr_assert_str_eq(flush(), "");
	deliver(1, 2);
	og_acks_add(&a, 2);
	cr_assert_str_eq(flush(), "2 ");
	og_acks_done(&a);
}

/* A channel as a broker keeps it: an ack of what it does not hold closes it. */
Test(amqp_acks, a_broker_understands_it_whatever_the_order)
{
	static bool broker[MANY + 1], ours[MANY + 1];
	uint64_t last = 0, lowest = 1;
	unsigned seed = 7;

	for (unsigned turn = 0; last < MANY; turn++) {
		uint64_t to = last + 1 + (uint64_t)rand_r(&seed) % 40;
		bool quiet = turn % 50 == 49; /* all that is held is settled */

		for (to = to < MANY ? to : MANY; last < to; last++) {
			og_acks_delivered(&a, last + 1);
			broker[last + 1] = ours[last + 1] = true;
		}
		for (uint64_t tag = lowest; tag <= last; tag++) {
			if (ours[tag] && (quiet || rand_r(&seed) % 3 == 0)) {
				ours[tag] = false;
				og_acks_add(&a, tag);
			}
		}
		for (char *at = strtok((char *)(uintptr_t)flush(), " "); at; at = strtok(NULL, " ")) {
			bool multiple = *at == '.';
			uint64_t tag = strtoull(at + 2 * multiple, NULL, 10);

			cr_assert(broker[tag], "%s is held", at);
			for (uint64_t x = multiple ? lowest : tag; x <= tag; x++)
				broker[x] = false;
		}
		cr_assert_eq(memcmp(broker, ours, sizeof(broker)), 0, "turn %u", turn);
		while (lowest <= last && !ours[lowest])
			lowest++;
	}
	og_acks_done(&a);
}
