#include "scheduler/shell/rig.h"

#include "plan/retry.h"
#include "shell/retry.h"

TestSuite(retry, .timeout = 60);

#define NODE "00000000-1111-4000-8000-000000000000"

static struct client clock_hand; /* time does not pass in the broker in memory: this is what lets it pass */

/* Of a second's delay a quarter more: so much may pass until it is published, and it still goes to a queue. */
static uint32_t longest(void)
{
	return UINT32_MAX;
}

static void open_retry_rig(void)
{
	open_rig(100, NULL);
	rig.scheduler->plan.random = longest;
	clock_hand = (struct client){0};
	open_client(&clock_hand, "scheduler");
	for (size_t i = 0; i < OG_DELAYS; i++) {
		char queue[OG_KEY_MAX];

		snprintf(queue, sizeof(queue), "og.delay.%s", og_delays[i].name);
		clock_hand.amqp->ops->recipe_consume(clock_hand.amqp, queue, 0, 0, on_client_message, &clock_hand);
	}
}

static void close_retry_rig(void)
{
	close_client(&clock_hand);
	close_rig();
}

/* What lay in a delay comes back to og.retry. */
static void elapse(size_t n)
{
	struct og_message m = *clock_hand.got[n];

	m.exchange = OG_X_RETRY;
	m.routing_key = OG_K_RETRY;
	og_amqp_publish(clock_hand.amqp, &m, 0, NULL, NULL, NULL);
	og_amqp_ack(clock_hand.amqp, clock_hand.epochs[n], m.delivery_tag);
}

static const char *text_of(const struct og_message *m, const char *header)
{
	const struct og_header *h = og_message_header(m, header);

	return h ? h->text : "";
}

static int64_t number_of(const struct og_message *m, const char *header)
{
	const struct og_header *h = og_message_header(m, header);

	return h ? h->number : 0;
}

static bool nothing_is_left(void)
{
	struct og_memory_broker *b = rig.broker;

	return !og_memory_broker_unacked(b, OG_Q_RETRY) && !og_memory_broker_ready(b, OG_Q_RETRY) &&
	       !rig.scheduler->term->retries && !rig.scheduler->plan.index->placed &&
	       !HASH_COUNT(rig.scheduler->plan.index->by_id);
}

Test(retry, a_job_whose_engine_broke_off_is_placed_again_after_a_delay)
{
	struct og_entry *e;

	open_retry_rig();
	submit_as(1, &(struct og_envelope){.stream = 1});
	RUN_UNTIL(rig.worker.n == 1);
	RUN_UNTIL(rig.scheduler->plan.index->placed == 1);
	hand_back(0, "engine_cut");
	RUN_UNTIL(clock_hand.n == 1);
	RUN_UNTIL(told(1, "placed"));
	cr_expect_eq(number_of(told(1, "placed"), "og-attempt"), 2);
	cr_expect_str_eq(text_of(told(1, "placed"), "og-error"), "engine_cut");
	cr_expect_str_eq(text_of(told(1, "placed"), "og-reason"), "in words");
	RUN_UNTIL(!og_memory_broker_unacked(rig.broker, OG_Q_RETRY));
	e = og_index_find(rig.scheduler->plan.index, job_id(1));
	cr_assert_not_null(e);
	cr_expect_eq(e->where, OG_WHERE_RETRY);
	cr_expect_eq(rig.scheduler->plan.index->placed, 0, "its slot is free");
	cr_expect_geq(number_of(clock_hand.got[0], "og-not-before"), og_clock_wall_ms());
	run_for(300);
	elapse(0);
	RUN_UNTIL(rig.worker.n == 2);
	cr_expect_geq(og_clock_wall_ms(), number_of(clock_hand.got[0], "og-not-before"));
	cr_expect_eq(number_of(rig.worker.got[1], "og-attempt"), 2);
	cr_expect_str_eq(text_of(rig.worker.got[1], "og-tried"), NODE);
	cr_expect_eq(number_of(rig.worker.got[1], "og-suspect"), 0);
	cr_expect_eq(number_of(rig.worker.got[1], "og-not-before"), 0);
	cr_expect_str_neq(text_of(rig.worker.got[1], "og-lease"), text_of(rig.worker.got[0], "og-lease"));
	finish(1);
	RUN_UNTIL(!strcmp(end_of(1), "done"));
	RUN_UNTIL(nothing_is_left());
	close_retry_rig();
}

Test(retry, a_lost_worker_makes_it_a_suspect_at_once_and_the_late_copy_changes_nothing)
{
	open_retry_rig();
	submit(1);
	RUN_UNTIL(rig.worker.n == 1);
	hand_back(0, "worker_lost");
	hand_back(0, "worker_lost");
	RUN_UNTIL(rig.worker.n == 2);
	cr_expect_eq(number_of(rig.worker.got[1], "og-attempt"), 2);
	cr_expect_eq(number_of(rig.worker.got[1], "og-suspect"), 1);
	cr_expect_str_eq(text_of(rig.worker.got[1], "og-tried"), "");
	RUN_UNTIL(!og_memory_broker_unacked(rig.broker, OG_Q_RETRY));
	hand_back(0, "worker_lost");
	run_for(200);
	cr_expect_eq(rig.worker.n, 2);
	cr_expect_null(told(1, "placed"), "it asked for neither chunks nor progress");
	finish(1);
	RUN_UNTIL(!strcmp(end_of(1), "done"));
	hand_back(1, "worker_lost");
	RUN_UNTIL(nothing_is_left());
	close_retry_rig();
}

static void run_alone(size_t n)
{
	struct og_envelope work;
	struct og_message out = {.exchange = OG_X_RETRY,
		.routing_key = OG_K_RETRY,
		.user_id = "worker-a",
		.body = "",
		.persistent = true};

	cr_assert_eq(og_envelope_decode(rig.worker.got[n], &work, NULL), 0);
	work = (struct og_envelope){.type = OG_T_ALONE,
		.id = work.id,
		.attempt = work.attempt,
		.lease = work.lease,
		.epoch = work.epoch,
		.node = NODE};
	og_envelope_encode(&work, &out);
	cr_assert_eq(og_amqp_publish(rig.worker.amqp, &out, OG_PUBLISH_MANDATORY, NULL, NULL, NULL), 0);
}

Test(retry, what_kills_all_that_run_it_alone_is_poison)
{
	open_retry_rig();
	submit(1);
	for (size_t n = 0; n < 4; n++) {
		RUN_UNTIL(rig.worker.n == n + 1);
		RUN_UNTIL(rig.scheduler->plan.index->placed == 1);
		if (n)
			run_alone(n);
		hand_back(n, "worker_lost");
	}
	RUN_UNTIL(og_memory_broker_ready(rig.broker, OG_Q_DEAD) == 1);
	cr_expect_eq(rig.worker.n, 4);
	cr_expect_eq(number_of(rig.worker.got[3], "og-deaths"), 2);
	cr_expect_str_eq(text_of(rig.worker.got[3], "og-tried"), NODE "," NODE);
	RUN_UNTIL(!og_memory_broker_unacked(rig.broker, OG_Q_RETRY));
	close_retry_rig();
}

Test(retry, without_its_lease_it_is_dropped_and_counted)
{
	open_retry_rig();
	submit(1);
	RUN_UNTIL(rig.worker.n == 1);
	hand_back_as(0, &(struct og_envelope){.error_type = "engine_cut",
				.lease = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"});
	RUN_UNTIL(rig.scheduler->counts.forged == 1);
	RUN_UNTIL(!og_memory_broker_unacked(rig.broker, OG_Q_RETRY));
	cr_expect_eq(rig.scheduler->plan.index->placed, 1);
	close_retry_rig();
}

Test(retry, while_it_waits_it_can_be_cancelled_and_its_body_is_dropped_when_it_comes)
{
	open_retry_rig();
	submit(1);
	RUN_UNTIL(rig.worker.n == 1);
	hand_back(0, "engine_unavailable");
	RUN_UNTIL(clock_hand.n == 1);
	RUN_UNTIL(!og_memory_broker_unacked(rig.broker, OG_Q_RETRY));
	ask("cancel", 1);
	RUN_UNTIL(!strcmp(end_of(1), "cancelled"));
	elapse(0);
	RUN_UNTIL(nothing_is_left());
	cr_expect_eq(rig.worker.n, 1);
	close_retry_rig();
}

Test(retry, a_lost_connection_between_the_two_loses_nothing)
{
	open_retry_rig();
	submit(1);
	RUN_UNTIL(rig.worker.n == 1);
	RUN_UNTIL(!og_memory_broker_unacked(rig.broker, OG_Q_INTAKE));
	og_memory_broker_hold_confirms(rig.broker, true);
	hand_back(0, "draining");
	RUN_UNTIL(rig.worker.n == 2);
	og_memory_broker_drop(rig.broker, rig.scheduler->term->intake.amqp);
	RUN_UNTIL(og_memory_broker_unacked(rig.broker, OG_Q_RETRY) == 1 && rig.scheduler->term->intake.up);
	run_for(100);
	cr_expect_eq(og_memory_broker_unacked(rig.broker, OG_Q_RETRY), 1, "not confirmed, not acked");
	og_memory_broker_hold_confirms(rig.broker, false);
	RUN_UNTIL(!og_memory_broker_unacked(rig.broker, OG_Q_RETRY));
	cr_expect_eq(rig.worker.n, 2);
	finish(1);
	RUN_UNTIL(!strcmp(end_of(1), "done"));
	RUN_UNTIL(nothing_is_left());
	close_retry_rig();
}

Test(retry, what_comes_back_before_its_own_confirm_is_the_job)
{
	open_retry_rig();
	submit(1);
	RUN_UNTIL(rig.worker.n == 1);
	RUN_UNTIL(!og_memory_broker_unacked(rig.broker, OG_Q_INTAKE));
	og_memory_broker_hold_confirms(rig.broker, true);
	hand_back(0, "engine_cut");
	RUN_UNTIL(clock_hand.n == 1);
	run_for(300);
	elapse(0);
	run_for(50);
	cr_expect_eq(og_memory_broker_unacked(rig.broker, OG_Q_RETRY), 2);
	og_memory_broker_hold_confirms(rig.broker, false);
	RUN_UNTIL(rig.worker.n == 2);
	cr_expect_eq(number_of(rig.worker.got[1], "og-attempt"), 2);
	finish(1);
	RUN_UNTIL(!strcmp(end_of(1), "done"));
	RUN_UNTIL(nothing_is_left());
	close_retry_rig();
}

Test(retry, what_comes_back_before_its_own_confirm_may_be_placed_before_it_too)
{
	open_retry_rig();
	submit(1);
	RUN_UNTIL(rig.worker.n == 1);
	RUN_UNTIL(!og_memory_broker_unacked(rig.broker, OG_Q_INTAKE));
	og_memory_broker_hold_confirms(rig.broker, true);
	hand_back(0, "engine_cut");
	RUN_UNTIL(clock_hand.n == 1);
	run_for(300);
	elapse(0);
	RUN_UNTIL(rig.worker.n == 2);
	og_memory_broker_hold_confirms(rig.broker, false);
	finish(1);
	RUN_UNTIL(!strcmp(end_of(1), "done"));
	RUN_UNTIL(nothing_is_left());
	cr_expect_eq(rig.worker.n, 2);
	close_retry_rig();
}

Test(retry, one_whose_publish_failed_after_its_connection_was_lost_takes_its_redelivery_over)
{
	struct og_memory_broker *b;

	open_retry_rig();
	b = rig.broker;
	submit(1);
	RUN_UNTIL(rig.worker.n == 1);
	RUN_UNTIL(!og_memory_broker_unacked(b, OG_Q_INTAKE));
	og_memory_broker_delete(b, "og.delay.1s");
	og_memory_broker_hold_confirms(b, true);
	hand_back(0, "engine_cut");
	RUN_UNTIL(rig.scheduler->term->retries && rig.scheduler->term->retries->publishing);
	/* Its answer is on its way when the other connection is lost. */
	og_memory_broker_drop(b, rig.scheduler->term->intake.amqp);
	RUN_UNTIL(!rig.scheduler->term->intake.up);
	og_memory_broker_hold_confirms(b, false);
	RUN_UNTIL(rig.scheduler->term->intake.up);
	run_for(100);
	cr_expect_eq(og_memory_broker_unacked(b, OG_Q_RETRY), 1, "the broker has it until it is elsewhere");
	RUN_UNTIL(rig.worker.n == 2);
	finish(1);
	RUN_UNTIL(!strcmp(end_of(1), "done"));
	RUN_UNTIL(nothing_is_left());
	close_retry_rig();
}

Test(retry, a_new_leader_goes_on_where_the_old_one_was)
{
	open_retry_rig();
	submit(1);
	RUN_UNTIL(rig.worker.n == 1);
	hand_back(0, "engine_cut");
	RUN_UNTIL(clock_hand.n == 1);
	RUN_UNTIL(!og_memory_broker_unacked(rig.broker, OG_Q_RETRY));
	og_memory_broker_drop(rig.broker, rig.scheduler->lead);
	RUN_UNTIL(rig.scheduler->terms == 2 && is_reading());
	cr_expect_null(og_index_find(rig.scheduler->plan.index, job_id(1)));
	run_for(300);
	elapse(0);
	RUN_UNTIL(rig.worker.n == 2);
	cr_expect_eq(number_of(rig.worker.got[1], "og-attempt"), 2);
	finish(1);
	RUN_UNTIL(!strcmp(end_of(1), "done"));
	RUN_UNTIL(nothing_is_left());
	close_retry_rig();
}

Test(retry, what_finds_no_room_goes_to_its_lane_with_what_is_known_of_it)
{
	open_rig_with(100, 1, NULL);
	submit(1);
	RUN_UNTIL(rig.worker.n == 1);
	RUN_UNTIL(rig.scheduler->plan.index->placed == 1);
	submit(2);
	RUN_UNTIL(rig.scheduler->plan.index->at_door == 1);
	hand_back(0, "worker_lost");
	RUN_UNTIL(rig.worker.n == 2);
	cr_expect_str_eq(rig.worker.got[1]->message_id, job_id(2), "it has been at the door");
	RUN_UNTIL(!og_memory_broker_unacked(rig.broker, OG_Q_RETRY));
	finish(1);
	RUN_UNTIL(rig.worker.n == 3);
	cr_expect_eq(number_of(rig.worker.got[2], "og-attempt"), 2);
	cr_expect_eq(number_of(rig.worker.got[2], "og-suspect"), 1);
	finish(2);
	RUN_UNTIL(!strcmp(end_of(1), "done"));
	RUN_UNTIL(nothing_is_left());
	close_rig();
}

Test(retry, one_that_is_handed_back_before_its_confirm_was_placed_all_the_same)
{
	const struct og_tier_index *t;

	open_retry_rig();
	t = &rig.scheduler->plan.index->tiers[0];
	og_memory_broker_hold_confirms(rig.broker, true);
	submit(1);
	RUN_UNTIL(rig.worker.n == 1);
	hand_back(0, "draining"); /* before the confirm of its placement */
	RUN_UNTIL(rig.worker.n == 2);
	cr_expect_eq(t->placements, 2);
	og_memory_broker_hold_confirms(rig.broker, false);
	RUN_UNTIL(!og_memory_broker_unacked(rig.broker, OG_Q_RETRY));
	close_retry_rig();
}

#define ITS_NAME "NodeA/small/1"

Test(retry, nobody_is_blamed_or_praised_by_another_user_in_its_name)
{
	const struct og_envelope broke = {.error_type = "engine_cut", .node = NODE, .worker = ITS_NAME};
	struct og_plan *plan;
	struct client thief = {0};

	open_retry_rig();
	open_client(&thief, "worker-b");
	plan = &rig.scheduler->plan;
	plan->leading_since -= OG_CALM_MS;
	plan->disturbed_at = 0;
	submit(1);
	submit(2);
	RUN_UNTIL(rig.worker.n == 2);
	RUN_UNTIL(plan->index->placed == 2);
	hand_back_by(&thief, "worker-b", 0, &broke);
	RUN_UNTIL(clock_hand.n == 1);
	cr_expect_null(plan->breakers, "blamed");
	hand_back_by(&rig.worker, "worker-a", 1, &broke);
	RUN_UNTIL(clock_hand.n == 2);
	cr_expect_not_null(plan->breakers);
	submit(3);
	submit(4);
	RUN_UNTIL(rig.worker.n == 4);
	finish_as(&thief, "worker-b", ITS_NAME, 2);
	RUN_UNTIL(!strcmp(end_of(3), "done"));
	run_for(20);
	cr_expect_not_null(plan->breakers, "praised");
	finish_as(&rig.worker, "worker-a", ITS_NAME, 3);
	RUN_UNTIL(!plan->breakers);
	close_client(&thief);
	close_retry_rig();
}

Test(retry, an_error_that_we_do_not_know_ends_the_job_and_frees_its_slot)
{
	open_rig_with(100, 1, NULL);
	submit(1);
	RUN_UNTIL(rig.worker.n == 1);
	submit(2);
	RUN_UNTIL(rig.scheduler->counts.queued == 1);
	hand_back(0, "no_such_error");
	RUN_UNTIL(!strcmp(end_of(1), "failed"));
	RUN_UNTIL(rig.worker.n == 2);
	RUN_UNTIL(og_memory_broker_ready(rig.broker, OG_Q_DEAD) == 1);
	RUN_UNTIL(!og_index_find(rig.scheduler->plan.index, job_id(1)));
	finish(1);
	RUN_UNTIL(!strcmp(end_of(2), "done"));
	close_rig();
}

Test(retry, what_is_too_large_to_be_sent_on_fails_and_holds_up_nobody)
{
	og_autofree char *text = og_alloc(45001);
	struct og_message fat;

	memset(text, 'a', 45000);
	open_retry_rig();
	submit(1);
	RUN_UNTIL(rig.worker.n == 1);
	RUN_UNTIL(rig.scheduler->plan.index->placed == 1);
	fat = *rig.worker.got[0];
	fat.headers[fat.n_headers++] = (struct og_header){.name = "fat", .text = text};
	fat.headers[fat.n_headers++] = (struct og_header){.name = "og-error", .text = "engine_cut"};
	fat.exchange = OG_X_RETRY;
	fat.routing_key = OG_K_RETRY;
	fat.user_id = NULL;
	og_amqp_publish(rig.worker.amqp, &fat, 0, NULL, NULL, NULL);
	RUN_UNTIL(!strcmp(end_of(1), "failed"));
	RUN_UNTIL(!og_memory_broker_unacked(rig.broker, OG_Q_RETRY) && !rig.scheduler->term->retries);
	close_retry_rig();
}
