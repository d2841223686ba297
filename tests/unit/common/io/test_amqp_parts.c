#include <criterion/criterion.h>

#include "io/amqp_parts.h"

TestSuite(amqp_parts, .timeout = 60);

static struct og_parts p;
static enum og_settlement how;

static uint64_t settle(uint64_t tag, enum og_settlement as)
{
	how = as;
	return og_parts_settle(&p, tag, &how);
}

static void teardown(void)
{
	og_parts_clear(&p);
}

Test(amqp_parts, what_is_no_part_is_settled_at_once)
{
	cr_assert_eq(settle(5, OG_SETTLE_REQUEUE), 5);
	cr_assert_eq(how, OG_SETTLE_REQUEUE);
}

Test(amqp_parts, a_bundle_is_settled_with_its_last_part, .fini = teardown)
{
	og_parts_open(&p, 7, 3);
	og_parts_open(&p, 8, 1);
	cr_assert_eq(settle(og_part_tag(7, 3), OG_SETTLE_ACK), 0);
	cr_assert_eq(settle(og_part_tag(8, 1), OG_SETTLE_ACK), 8);
	cr_assert_eq(settle(og_part_tag(7, 1), OG_SETTLE_ACK), 0);
	cr_assert_eq(settle(og_part_tag(7, 2), OG_SETTLE_ACK), 7);
	cr_assert_eq(how, OG_SETTLE_ACK);
	cr_assert_eq(settle(og_part_tag(7, 2), OG_SETTLE_ACK), 0, "it is settled and gone");
}

Test(amqp_parts, one_that_is_to_come_again_brings_all_again, .fini = teardown)
{
	og_parts_open(&p, 7, 3);
	settle(og_part_tag(7, 1), OG_SETTLE_REQUEUE);
	settle(og_part_tag(7, 2), OG_SETTLE_REJECT);
	cr_assert_eq(settle(og_part_tag(7, 3), OG_SETTLE_ACK), 7);
	cr_assert_eq(how, OG_SETTLE_REQUEUE);
}

Test(amqp_parts, of_an_earlier_connection_nothing_is_known)
{
	og_parts_open(&p, 7, 2);
	og_parts_clear(&p);
	cr_assert_eq(settle(og_part_tag(7, 1), OG_SETTLE_ACK), 0);
}
