#include "scheduler/shell/rig.h"

#include "plan/replies.h"
#include "shell/watch.h"

TestSuite(watch, .timeout = 60);

static bool attach(struct og_entry *e, unsigned i)
{
	char reply[OG_KEY_MAX];

	snprintf(reply, sizeof(reply), PRODUCER "~%032x", i);
	return og_watch_attach(rig.scheduler, e, reply, 0);
}

Test(watch, keys_that_nobody_reads_make_room_for_one_that_is_there)
{
	struct og_entry *e;
	struct og_reply *r;

	open_rig(100, NULL);
	submit(1);
	RUN_UNTIL((e = og_index_find(rig.scheduler->plan.index, job_id(1))));
	for (unsigned i = 0; i < OG_WATCHERS_A_JOB; i++)
		cr_assert(attach(e, i));
	cr_expect_not(attach(e, 99), "all of them are there");
	for (r = rig.scheduler->plan.index->replies; r; r = r->hh.next)
		r->gone_since = 1;
	cr_expect(attach(e, 99));
	cr_expect_eq(rig.scheduler->term->n_watchers, OG_WATCHERS_A_JOB);
	close_rig();
}
