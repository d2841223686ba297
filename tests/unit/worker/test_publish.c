/* What the publisher does when the broker is slower than the engine. */
#include "worker/fixture.h"

static void narrow(void)
{
	setup_with(2, 4);
}

TestSuite(publish, .init = narrow, .fini = teardown, .timeout = 60);

Test(publish, what_does_not_fit_the_window_waits_in_its_order)
{
	place_id(ID(1));
	og_memory_broker_hold_confirms(t.broker, true);
	for (int i = 0; i < 20; i++)
		says(t.runs, TEXT("x"));
	ends(t.runs, OG_FAULT_NONE, "");
	cr_assert_eq(t.n_heard, 4);
	og_memory_broker_hold_confirms(t.broker, false);
	turn();
	cr_assert_eq(t.n_heard, 21);
	for (int i = 0; i < 20; i++)
		cr_assert_eq(t.heard[i].e.seq, i);
	cr_assert_str_eq(last()->what, "done");
	cr_assert_eq(t.publisher.chunks_dropped, 0);
	expect_rest(1);
}

Test(publish, chunks_beyond_the_bound_are_dropped_and_the_done_is_not)
{
	og_autofree char *filler = og_alloc(512 * 1024 + 1);
	og_autofree char *json = NULL;

	memset(filler, 'x', 512 * 1024);
	json = og_printf("{\"choices\":[],\"filler\":\"%s\"}", filler);
	place_id(ID(1));
	og_memory_broker_hold_confirms(t.broker, true);
	says(t.runs, TEXT("x"));
	for (int i = 0; i < 40; i++)
		says(t.runs, json);
	ends(t.runs, OG_FAULT_NONE, "");
	cr_assert_gt(t.publisher.chunks_dropped, 0);
	cr_assert_leq(t.publisher.waiting_chunk_bytes, OG_CHUNKS_WAIT_MAX);
	og_memory_broker_hold_confirms(t.broker, false);
	turn();
	cr_assert_str_eq(last()->what, "done");
	cr_assert_eq(last()->e.seq, 41, "dropped ones are counted: the gap shows");
	cr_assert_eq(t.publisher.waiting_chunk_bytes, 0);
	expect_rest(1);
}

Test(publish, the_publishers_connection_is_lost_before_the_confirm)
{
	place_id(ID(1));
	says(t.runs, TEXT("x"));
	turn();
	og_memory_broker_hold_confirms(t.broker, true);
	ends(t.runs, OG_FAULT_NONE, "");
	og_memory_broker_drop(t.broker, t.out);
	og_memory_broker_hold_confirms(t.broker, false);
	turn();
	cr_assert_str_eq(last()->what, "done");
	cr_assert_eq(og_memory_broker_unacked(t.broker, TIER), 0);
	cr_assert_eq(og_jobs_count(&t.jobs), 0);
}

Test(publish, a_done_that_reaches_no_queue_is_kept_and_sent_again)
{
	place_id(ID(1));
	og_amqp_close(OG_TAKE(t.producer), NULL, NULL);
	turn();
	og_memory_broker_delete(t.broker, OG_Q_STATE);
	says(t.runs, TEXT("x"));
	ends(t.runs, OG_FAULT_NONE, "");
	cr_assert_eq(og_memory_broker_unacked(t.broker, TIER), 1, "returned: the delivery is kept");
	cr_assert_eq(og_jobs_count(&t.jobs), 1);
	cr_assert(uv_is_active((uv_handle_t *)&t.jobs.again));
}

Test(publish, a_dead_letter_has_the_headers_but_for_the_brokers)
{
	const struct og_message m = {.message_id = "a",
		.user_id = "someone",
		.headers = {{"og-tier", "Small", 0}, {"x-delivery-count", NULL, 3}, {"og-error", "old", 0}},
		.n_headers = 3};
	og_autofree struct og_message *dead = og_dead_letter(&m, "unknown_version", "unknown version 9.0");

	cr_assert_str_eq(dead->exchange, OG_X_DEAD);
	cr_assert_null(dead->user_id);
	cr_assert_eq(dead->n_headers, 3);
	cr_assert_str_eq(og_message_header(dead, "og-tier")->text, "Small");
	cr_assert_str_eq(og_message_header(dead, "og-error")->text, "unknown_version");
	cr_assert_null(og_message_header(dead, "x-delivery-count"));
}
