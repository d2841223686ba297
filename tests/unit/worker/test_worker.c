#include "worker.h"

#include "fixture.h"
#include "worker_state.h"

#define OWN "og.node.worker~nodea_small_1"

static char cluster[] = "test";
static const struct og_settings settings = {.cluster = cluster};
static const struct og_node_id node = {.id = "11111111-1111-4111-8111-111111111111", .name = "NodeA"};
static const struct og_credentials credentials = {.user = "worker"};
static const struct og_tier tier = {.id = "Small", .key = "small"};

static struct og_worker *worker;

static struct {
	struct og_presence last;
	unsigned n;
} presence;

static void hear_presence(void *ctx, const struct og_message *m, uint64_t epoch)
{
	struct og_error err;

	(void)ctx;
	og_presence_done(&presence.last);
	cr_assert_eq(og_presence_decode(m->body, m->body_len, &presence.last, &err), 0, "%s", err.message);
	presence.n++;
	og_amqp_ack(t.scheduler, epoch, m->delivery_tag);
}

static void listen_presence(void)
{
	struct og_binding b = {.exchange = OG_X_PRESENCE};
	struct og_queue q;

	og_topology_presence_queue("scheduler", "x", &q);
	snprintf(b.queue, sizeof(b.queue), "%s", q.name);
	t.scheduler->ops->recipe_queue(t.scheduler, &q);
	t.scheduler->ops->recipe_bind(t.scheduler, &b);
	t.scheduler->ops->recipe_consume(t.scheduler, q.name, 0, 0, hear_presence, NULL);
}

/* Its connections are of the memory's broker, and its engine the test's. */
static void setup_worker(void)
{
	static const struct og_worker_config config = {
		.settings = &settings, .node = &node, .credentials = &credentials, .instance = 1};
	struct og_amqp_events in, out;

	setup();
	worker = og_worker_new(&config);
	in = og_worker_in_events(worker);
	out = og_worker_out_events(worker);
	og_amqp_close(OG_TAKE(t.in), NULL, NULL);
	og_amqp_close(OG_TAKE(t.out), NULL, NULL);
	listen_presence();
	worker->joined = true;
	worker->in = client_with("worker", 16, &in);
	worker->out = client_with("worker", 1000, &out);
	og_worker_begin(worker, &t.loop);
	turn();
}

static void serve(size_t slots)
{
	worker->jobs.engine = &t.engine;
	worker->serving.ready = true;
	worker->serving.choice.tier = &tier;
	worker->jobs.slots = worker->slots = slots;
	worker->serving.context = 2048;
	snprintf(worker->who.tier, sizeof(worker->who.tier), "Small");
	snprintf(worker->who.worker, sizeof(worker->who.worker), "NodeA/Small/1");
	og_worker_bind_tier(worker);
	og_worker_consume_or_not(worker);
	turn();
}

static void serve_two(void)
{
	setup_worker();
	serve(2);
}

/* What a heartbeat would say. */
static const struct og_presence *says_now(void)
{
	worker->engine = worker->jobs.engine;
	og_pulse_beat(&worker->pulse);
	worker->engine = NULL;
	turn();
	return &presence.last;
}

static void teardown_worker(void)
{
	if (worker->in)
		og_worker_stop(worker);
	while (worker->in)
		uv_run(&t.loop, UV_RUN_ONCE);
	og_presence_done(&presence.last);
	teardown();
	og_worker_free(worker);
}

TestSuite(worker, .init = setup_worker, .fini = teardown_worker, .timeout = 60);
TestSuite(orders, .init = serve_two, .fini = teardown_worker, .timeout = 60);

static void take_and_stop(void *ctx, const struct og_message *m, uint64_t epoch)
{
	(void)ctx;
	og_jobs_take(&worker->jobs, m, epoch, OG_FROM_TIER);
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
	cr_assert_not_null(worker->in, "the confirm is waited for");
	while (worker->in)
		uv_run(&t.loop, UV_RUN_ONCE);
	cr_assert_eq(og_memory_broker_ready(t.broker, TIER), 1);
	og_memory_broker_hold_confirms(t.broker, false);
}

Test(orders, what_runs_when_it_leaves_is_handed_back_before_its_connections_close)
{
	place_id(ID(1));
	cr_assert_eq(t.started, 1);
	og_memory_broker_hold_confirms(t.broker, true);
	og_worker_stop(worker);
	turn();
	cr_assert_eq(t.cancelled, 1);
	cr_assert_eq(t.n_retries, 1);
	cr_assert_str_eq(header(last_retry(), "og-error"), "draining");
	cr_assert_not_null(worker->in);
	og_memory_broker_hold_confirms(t.broker, false);
	turn();
	cr_assert_null(worker->in);
	cr_assert_eq(og_memory_broker_ready(t.broker, TIER), 0, "acked");
	cr_assert(presence.last.leaving);
}

/* ---- control messages ---- */

static void tell_node(struct og_amqp *who, const char *type, const char *key, int64_t not_before, const char *node_id)
{
	const struct og_envelope e = {.type = type, .id = ID(1), .not_before_ms = not_before, .node = node_id};
	struct og_message m = {.exchange = OG_X_CONTROL, .routing_key = key, .body = "{}", .body_len = 2};
	struct og_error err;

	og_envelope_encode(&e, &m);
	cr_assert_eq(og_amqp_publish(who, &m, OG_PUBLISH_MANDATORY, NULL, NULL, &err), 0, "%s", err.message);
	turn();
}

static void tell_as(struct og_amqp *who, const char *type, const char *key, int64_t not_before)
{
	tell_node(who, type, key, not_before, NULL);
}

static void tell(const char *type, const char *key)
{
	tell_as(t.scheduler, type, key, 0);
}

#define ITS_KEY  "worker.nodea_small_1"
#define NODE_KEY "node.11111111-1111-4111-8111-111111111111"

Test(orders, a_pause_lasts_until_it_is_told)
{
	place_id(ID(1));
	tell(OG_T_PAUSE, ITS_KEY);
	cr_assert(says_now()->paused);
	cr_assert(presence.last.serve);
	cr_assert_eq(presence.last.slots, 2);
	cr_assert_eq(presence.last.context, 2048);
	place_id(ID(2));
	cr_assert_eq(t.started, 1);
	cr_assert_eq(og_memory_broker_ready(t.broker, TIER), 1);
	tell(OG_T_RESUME, ITS_KEY);
	cr_assert_eq(t.started, 1, "what it held then is still held");
	cr_assert(says_now()->paused, "and so nothing is taken yet");
	says(t.runs, TEXT("x"));
	ends(t.runs, OG_FAULT_NONE, "");
	cr_assert_eq(t.started, 2);
	cr_assert(!says_now()->paused);
}

Test(orders, a_pause_with_an_end_ends_by_itself)
{
	tell_as(t.scheduler, OG_T_PAUSE, ITS_KEY, og_clock_wall_ms() + 100);
	place_id(ID(1));
	cr_assert_eq(t.started, 0);
	while (!t.started)
		uv_run(&t.loop, UV_RUN_ONCE);
	cr_assert(!says_now()->paused);
	tell_as(t.scheduler, OG_T_PAUSE, ITS_KEY, og_clock_wall_ms() - 1);
	cr_assert(!worker->paused, "one that is over already");
}

Test(orders, a_pause_of_another_users_worker_of_the_same_name_is_not_its_own)
{
	const char *other = "22222222-1111-4111-8111-111111111111";

	tell_node(t.scheduler, OG_T_PAUSE, ITS_KEY, 0, other);
	cr_assert(!worker->paused);
	tell_node(t.scheduler, OG_T_PAUSE, ITS_KEY, 0, node.id);
	cr_assert(worker->paused);
	tell_node(t.scheduler, OG_T_RESUME, ITS_KEY, 0, other);
	cr_assert(worker->paused);
	tell_node(t.scheduler, OG_T_RESUME, ITS_KEY, 0, node.id);
	cr_assert(!worker->paused);
}

Test(orders, only_a_schedulers_count)
{
	tell_as(t.producer, OG_T_PAUSE, ITS_KEY, 0);
	tell_as(t.producer, OG_T_DRAIN, NODE_KEY, 0);
	place_id(ID(1));
	tell_as(t.producer, OG_T_CANCEL, ITS_KEY, 0);
	cr_assert_eq(t.started, 1);
	cr_assert_eq(t.cancelled, 0);
	tell(OG_T_CANCEL, ITS_KEY);
	cr_assert_eq(t.cancelled, 1);
}

Test(orders, a_drain_lets_runs_end_gives_back_what_waits_and_stays)
{
	worker->jobs.slots = 1;
	place_id(ID(1));
	place_id(ID(2));
	tell(OG_T_DRAIN, NODE_KEY);
	cr_assert_eq(t.n_retries, 1);
	cr_assert_str_eq(last_retry()->message_id, ID(2));
	cr_assert_str_eq(header(last_retry(), "og-error"), "draining");
	cr_assert(says_now()->draining);
	cr_assert(presence.last.serve);
	says(t.runs, TEXT("x"));
	ends(t.runs, OG_FAULT_NONE, "");
	place_id(ID(3));
	cr_assert_eq(t.started, 1);
	cr_assert_not_null(worker->in, "it stays");
	tell(OG_T_UNDRAIN, NODE_KEY);
	cr_assert_eq(t.started, 2);
	cr_assert(!says_now()->draining);
}

Test(orders, a_drain_that_is_over_does_not_show_while_it_is_paused)
{
	tell(OG_T_DRAIN, NODE_KEY);
	tell(OG_T_PAUSE, ITS_KEY);
	tell(OG_T_UNDRAIN, NODE_KEY);
	cr_assert(!says_now()->draining);
	cr_assert(presence.last.paused);
	cr_assert(presence.last.serve);
}

/* ---- its own queue ---- */

static void make_own_queue(void)
{
	struct og_queue q;
	struct og_binding b;

	og_topology_node_queue("worker", "nodea_small_1", &q, &b);
	cr_assert_str_eq(q.name, OWN);
	t.scheduler->ops->recipe_queue(t.scheduler, &q);
	t.scheduler->ops->recipe_bind(t.scheduler, &b);
	turn();
}

static void place_own(const char *id)
{
	struct og_envelope e = request(id);
	struct og_message m = {.exchange = OG_X_WORK,
		.routing_key = "node.worker~nodea_small_1",
		.body = PROMPT,
		.body_len = strlen(PROMPT)};
	struct og_error err;

	og_envelope_encode(&e, &m);
	cr_assert_eq(og_amqp_publish(t.scheduler, &m, OG_PUBLISH_MANDATORY, NULL, NULL, &err), 0, "%s", err.message);
	turn();
}

Test(orders, its_own_queue_is_read_when_it_is_told_of_it)
{
	make_own_queue();
	place_own(ID(1));
	cr_assert_eq(t.started, 0);
	cr_assert(!says_now()->node_queue);
	tell(OG_T_NODE_QUEUE, ITS_KEY);
	cr_assert_eq(t.started, 1);
	cr_assert(says_now()->node_queue);
	place_id(ID(2));
	place_id(ID(3));
	cr_assert_eq(t.started, 2, "both queues together have its slots");
	cr_assert_eq(og_jobs_count(&worker->jobs), 3);
	tell(OG_T_PAUSE, ITS_KEY);
	for (int i = 0; i < 3; i++) {
		says(t.runs, TEXT("x"));
		ends(t.runs, OG_FAULT_NONE, "");
	}
	cr_assert_eq(t.started, 3);
	place_id(ID(4));
	place_own(ID(5));
	cr_assert_eq(t.started, 4, "a pause is not of its own queue");
	cr_assert_str_eq(t.runs->id, ID(5));
	cr_assert_eq(og_memory_broker_ready(t.broker, TIER), 1);
	tell(OG_T_RESUME, ITS_KEY);
	cr_assert_eq(t.started, 5, "of the tier's queue nothing is held: it is read at once");
	tell(OG_T_DRAIN, NODE_KEY);
	cr_assert(!says_now()->node_queue);
	place_own(ID(6));
	cr_assert_eq(og_memory_broker_ready(t.broker, OWN), 1);
	cr_assert_eq(t.started, 5);
}

Test(orders, an_own_queue_that_is_missing_costs_the_connection_and_not_the_run)
{
	og_autofree char *control = og_strdup(worker->control);

	place_id(ID(1));
	tell(OG_T_NODE_QUEUE, ITS_KEY);
	cr_assert_str_neq(worker->control, control, "it is another connection");
	cr_assert(worker->in_up);
	cr_assert(!worker->own_queue);
	make_own_queue();
	cr_assert_eq(t.started, 1);
	cr_assert(!says_now()->node_queue);
	says(t.runs, TEXT("x"));
	ends(t.runs, OG_FAULT_NONE, "");
	cr_assert_eq(og_memory_broker_unacked(t.broker, TIER), 0);
	tell(OG_T_NODE_QUEUE, ITS_KEY);
	place_own(ID(2));
	cr_assert_eq(t.started, 2);
}

Test(orders, after_a_lost_connection_it_is_told_of_its_own_queue_again)
{
	make_own_queue();
	tell(OG_T_NODE_QUEUE, ITS_KEY);
	place_own(ID(1));
	cr_assert_eq(t.started, 1);
	og_memory_broker_drop(t.broker, worker->in);
	turn();
	cr_assert(worker->in_up);
	cr_assert(!says_now()->node_queue);
	cr_assert_eq(og_memory_broker_ready(t.broker, OWN), 1, "what runs from it waits there for its ack");
	tell(OG_T_NODE_QUEUE, ITS_KEY);
	cr_assert_eq(t.started, 1, "it is the one that runs");
	says(t.runs, TEXT("x"));
	ends(t.runs, OG_FAULT_NONE, "");
	cr_assert_eq(og_memory_broker_ready(t.broker, OWN) + og_memory_broker_unacked(t.broker, OWN), 0);
	cr_assert_eq(t.n_retries, 0);
}

/* ---- its priority ---- */

Test(orders, its_priority_changes_when_it_is_idle_and_seldom)
{
	unsigned before = worker->tier.consumer;

	cr_assert_eq(worker->priority, 0);
	worker->jobs.tokens_per_s = 64;
	worker->consuming_since_ms -= 59000;
	place_id(ID(1));
	og_worker_rank(worker);
	cr_assert_eq(worker->tier.consumer, before, "too early, and busy");
	worker->consuming_since_ms -= 2000;
	og_worker_rank(worker);
	cr_assert_eq(worker->tier.consumer, before, "busy");
	says(t.runs, TEXT("x"));
	ends(t.runs, OG_FAULT_NONE, "");
	cr_assert_eq(worker->tier.consumer, before, "the next one may be on its way");
	cr_assert(uv_is_active((uv_handle_t *)&worker->idle));
	while (uv_is_active((uv_handle_t *)&worker->idle))
		uv_run(&t.loop, UV_RUN_ONCE);
	turn();
	cr_assert_neq(worker->tier.consumer, before);
	cr_assert_neq(worker->tier.consumer, 0);
	cr_assert_eq(worker->priority, 24);
	place_id(ID(2));
	cr_assert_eq(t.started, 2);
}

Test(orders, attach_goes_to_the_job)
{
	const struct og_envelope e = {.type = OG_T_ATTACH, .id = ID(1), .reply_to = REPLY};
	struct og_message m = {.exchange = OG_X_CONTROL, .routing_key = ITS_KEY, .body = "{}", .body_len = 2};

	place_id(ID(1));
	says(t.runs, TEXT("x"));
	og_envelope_encode(&e, &m);
	cr_assert_eq(og_amqp_publish(t.scheduler, &m, 0, NULL, NULL, NULL), 0);
	turn();
	cr_assert_eq(t.n_heard, 2);
	cr_assert_eq(last()->e.seq, 0);
}
