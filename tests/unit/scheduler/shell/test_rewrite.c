#include "scheduler/shell/rig.h"

TestSuite(rewrite, .timeout = 60);

static void come_back(void)
{
	og_redis_memory_set_up(rig.redis, false);
	run_for(50);
	og_redis_memory_set_up(rig.redis, true);
}

Test(rewrite, what_redis_forgot_is_written_again_and_no_more)
{
	open_rig(100, NULL);
	for (unsigned i = 0; i < 5; i++)
		submit(i);
	RUN_UNTIL(times_said("record", NULL) == 5);
	run_for(1200);
	cr_expect_eq(times_said("record", NULL), 5, "nothing is lost, nothing is written");
	rig.forgot = true;
	RUN_UNTIL(times_said("record", NULL) == 10);
	cr_expect_not(rig.forgot, "it was claimed");
	rig.open = 5;
	come_back();
	RUN_UNTIL(times_said("claim", NULL) == 3);
	run_for(300);
	cr_expect_eq(times_said("record", NULL), 10, "it came back with all of it");
	rig.open = 4;
	come_back();
	RUN_UNTIL(times_said("record", NULL) == 15);
	close_rig();
}
