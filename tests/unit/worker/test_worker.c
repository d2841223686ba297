#include "worker.h"

#include "fixture.h"
#include "worker_state.h"

static char cluster[] = "test";
static const struct og_settings settings = {.cluster = cluster};
static const struct og_node_id node = {.id = "11111111-1111-4111-8111-111111111111", .name = "NodeA"};
static const struct og_credentials credentials = {.user = "worker"};

static struct og_worker *worker;

static void setup_worker(void)
{
	static const struct og_worker_config config = {
		.settings = &settings, .node = &node, .credentials = &credentials};

	setup();
	worker = og_worker_new(&config);
	worker->in = OG_TAKE(t.in);
	worker->out = OG_TAKE(t.out);
	og_worker_begin(worker, &t.loop);
}

static void teardown_worker(void)
{
	teardown();
	og_worker_free(worker);
}

TestSuite(worker, .init = setup_worker, .fini = teardown_worker, .timeout = 60);

static void take_and_stop(void *ctx, const struct og_message *m, uint64_t epoch)
{
	(void)ctx;
	og_jobs_take(&worker->jobs, m, epoch);
	og_worker_stop(worker);
}

/* What cannot be read is answered at once: no engine is needed. */
Test(worker, what_is_confirmed_while_it_leaves_is_acked_and_nothing_more_is_taken)
{
	struct og_envelope first = request(ID(1)), second = request(ID(2));

	place(&first, "?");
	place(&second, "?");
	worker->in->ops->recipe_consume(worker->in, TIER, 2, 0, take_and_stop, NULL);
	turn();
	cr_assert_eq(og_memory_broker_ready(t.broker, OG_Q_STATE), 1);
	cr_assert_str_eq(last()->id, ID(1));
	cr_assert_eq(og_memory_broker_unacked(t.broker, TIER), 0);
	cr_assert_eq(og_memory_broker_ready(t.broker, TIER), 1, "the first is acked, the second another's");
	cr_assert_null(worker->in);
	cr_assert_null(worker->out);
}

/* The broker confirms too late: the job is run again. */
Test(worker, what_is_not_confirmed_in_time_goes_back)
{
	struct og_envelope e = request(ID(1));

	place(&e, "?");
	og_memory_broker_hold_confirms(t.broker, true);
	worker->in->ops->recipe_consume(worker->in, TIER, 2, 0, take_and_stop, NULL);
	turn();
	cr_assert_eq(og_memory_broker_ready(t.broker, TIER), 1);
	cr_assert_null(worker->in);
	og_memory_broker_hold_confirms(t.broker, false);
}
