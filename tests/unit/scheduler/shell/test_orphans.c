#include "scheduler/shell/rig.h"

#include "plan/replies.h"

TestSuite(orphans, .timeout = 60);

static size_t pings(void)
{
	size_t n = 0;

	for (size_t i = 0; i < rig.producer.n; i++)
		n += !strcmp(rig.producer.got[i]->type, OG_T_PING);
	return n;
}

Test(orphans, who_waits_is_asked_but_not_while_the_broker_takes_nothing)
{
	open_rig(100, NULL);
	submit(1);
	RUN_UNTIL(rig.worker.n == 1);
	og_memory_broker_block(rig.broker, true);
	run_for(OG_PING_PERIOD_MS + 600);
	cr_expect_eq(pings(), 0);
	og_memory_broker_block(rig.broker, false);
	RUN_UNTIL(pings() == 1);
	run_for(300);
	cr_expect_eq(pings(), 1, "none was kept for later");
	finish(0);
	RUN_UNTIL(!strcmp(end_of(1), "done"));
	close_rig();
}

Test(orphans, the_jobs_of_one_that_vanished_end_after_the_grace)
{
	open_rig(100, NULL);
	rig.settings.orphan_grace_ms = 1000;
	for (unsigned i = 0; i < 4; i++)
		submit_as(i, &(struct og_envelope){.detach = i == 3});
	RUN_UNTIL(rig.worker.n == 2 && rig.scheduler->plan.index->waiting == 2);
	og_amqp_close(OG_TAKE(rig.producer.amqp), NULL, NULL);
	RUN_UNTIL(rig.scheduler->plan.index->n_gone == 1);
	RUN_UNTIL(rig.scheduler->counts.orphans == 3);
	cr_expect_null(
		og_index_find(rig.scheduler->plan.index, job_id(0)), "placed, and as far as we know nobody runs it");
	cr_expect_not(og_index_find(rig.scheduler->plan.index, job_id(3))->cancelling);
	RUN_UNTIL(rig.worker.n == 3); /* the detached one, in a slot of theirs */
	cr_expect_eq(rig.scheduler->plan.index->waiting, 0);
	run_for(1500);
	cr_expect_eq(rig.scheduler->counts.orphans, 3, "each once");
	close_rig();
}
