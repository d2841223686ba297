#include "model/topology.h"

#include <criterion/criterion.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

TestSuite(topology, .timeout = 60);
TestSuite(permissions, .timeout = 60);

#define HEX "0123456789abcdef0123456789abcdef"

static const struct og_topology_limits limits = {
	.intake_max_jobs = 1000,
	.intake_max_bytes = 2000,
	.lane_max_jobs = 300,
	.lane_max_bytes = 400,
	.reply_max_bytes = 500,
	.dead_max_jobs = 600,
	.dead_max_bytes = 700,
};

static struct og_topology *table_of(size_t tiers)
{
	struct og_catalogue *c = calloc(1, sizeof(*c));
	struct og_topology *t;

	for (size_t i = 0; i < tiers; i++)
		snprintf(c->tiers[i].key, sizeof(c->tiers[i].key), "tier-%zu", i);
	c->n = tiers;
	t = og_topology_new(c, &limits);
	free(c);
	return t;
}

static const struct og_queue *queue(const struct og_topology *t, const char *name)
{
	for (size_t i = 0; i < t->n_queues; i++) {
		if (strcmp(t->queues[i].name, name) == 0)
			return &t->queues[i];
	}
	cr_assert_fail("no queue %s", name);
	return NULL;
}

static bool bound(const struct og_topology *t, const char *exchange, const char *key, const char *to)
{
	for (size_t i = 0; i < t->n_bindings; i++) {
		const struct og_binding *b = &t->bindings[i];

		if (strcmp(b->exchange, exchange) == 0 && strcmp(b->key, key) == 0 && strcmp(b->queue, to) == 0)
			return true;
	}
	return false;
}

Test(topology, has_the_fixed_queues_and_25_a_tier)
{
	struct og_topology *t = table_of(3);

	cr_assert_eq(t->n_exchanges, 10);
	cr_assert_eq(t->n_queues, 8 + OG_DELAYS + 3 * (1 + 3 * OG_LANES));
	cr_assert_eq(t->n_bindings, t->n_queues);
	for (size_t i = 0; i < t->n_queues; i++) {
		cr_assert(t->queues[i].durable && !t->queues[i].exclusive && !t->queues[i].auto_delete);
		for (size_t j = 0; j < i; j++)
			cr_assert_str_neq(t->queues[i].name, t->queues[j].name);
	}
	og_topology_free(t);
}

Test(topology, bounds_what_waits_and_nothing_that_was_placed)
{
	struct og_topology *t = table_of(1);
	const struct og_queue_args *intake = &queue(t, "og.jobs.intake")->args;
	const struct og_queue_args *lane = &queue(t, "og.wait.tier-0.batch.7")->args;
	const char *const unbounded[] = {"og.tier.tier-0", "og.state", "og.state.later", "og.retry", "og.dead.intake"};

	cr_assert(intake->quorum && intake->reject_publish);
	cr_assert(intake->max_length == 1000 && intake->max_length_bytes == 2000);
	cr_assert(lane->quorum && lane->reject_publish);
	cr_assert(lane->max_length == 300 && lane->max_length_bytes == 400);
	for (size_t i = 0; i < OG_COUNT(unbounded); i++) {
		const struct og_queue_args *a = &queue(t, unbounded[i])->args;

		cr_assert(a->quorum && !a->max_length && !a->max_length_bytes && !a->message_ttl_ms && !a->expires_ms);
	}
	og_topology_free(t);
}

Test(topology, loses_nothing_at_the_delivery_limit)
{
	struct og_topology *t = table_of(2);

	for (size_t i = 0; i < t->n_queues; i++) {
		const struct og_queue *q = &t->queues[i];

		if (!q->args.quorum)
			continue;
		cr_assert_geq(q->args.delivery_limit, 100, "%s", q->name);
		if (strncmp(q->name, "og.dead", 7) == 0)
			cr_assert_eq(q->args.dead_letter, OG_DEAD_DROPPED, "%s", q->name);
		else if (strncmp(q->name, "og.delay.", 9) == 0)
			cr_assert_eq(q->args.dead_letter, OG_DEAD_TO_RETRY, "%s", q->name);
		else
			cr_assert_eq(q->args.dead_letter, OG_DEAD_KEPT, "%s", q->name);
	}
	og_topology_free(t);
}

Test(topology, binds_each_queue_where_the_protocol_says)
{
	struct og_topology *t = table_of(1);

	cr_assert(bound(t, "og.jobs", "job", "og.jobs.intake"));
	cr_assert(bound(t, "og.wait", "tier-0.high.0", "og.wait.tier-0.high.0"));
	cr_assert(bound(t, "og.work", "tier-0", "og.tier.tier-0"));
	cr_assert(bound(t, "og.replies", "*.done", "og.state"));
	cr_assert(bound(t, "og.later", "later", "og.state.later"));
	cr_assert(bound(t, "og.dead", "dead", "og.dead.intake"));
	cr_assert(bound(t, "og.dead", "kept", "og.dead"));
	cr_assert(bound(t, "og.retry", "retry", "og.retry"));
	cr_assert(bound(t, "og.later", "hold", "og.hold"));
	cr_assert(bound(t, "og.later", "delay.1s", "og.delay.1s"));
	cr_assert(bound(t, "og.rpc", "rpc", "og.rpc"));
	og_topology_free(t);
}

Test(topology, delays_end_in_an_unbounded_queue)
{
	struct og_topology *t = table_of(1);
	const struct og_queue_args *delay = &queue(t, "og.delay.30s")->args;

	cr_assert(delay->quorum && delay->reject_publish && delay->dead_letter == OG_DEAD_TO_RETRY);
	cr_assert_eq(delay->message_ttl_ms, 30000);
	og_topology_free(t);
}

Test(topology, a_node_queue_is_durable_and_carries_its_workers_user)
{
	struct og_queue q;
	struct og_binding b;

	og_topology_node_queue("worker-a", "nodea_t_0", &q, &b);
	cr_assert_str_eq(q.name, "og.node.worker-a~nodea_t_0");
	cr_assert(q.durable && q.args.quorum && !q.exclusive && !q.auto_delete);
	cr_assert_str_eq(b.exchange, "og.work");
	cr_assert_str_eq(b.key, "node.worker-a~nodea_t_0");
	cr_assert_str_eq(b.queue, q.name);
}

Test(topology, makes_exclusive_queues_that_never_reject)
{
	struct og_queue q[4];

	og_topology_reply_queue("producer-a~" HEX, &limits, &q[0]);
	og_topology_control_queue("worker-a", "nodea_t_0", &q[1]);
	og_topology_presence_queue("scheduler", "x1", &q[2]);
	og_topology_leader_queue(&q[3]);
	cr_assert_str_eq(q[0].name, "og.reply.producer-a~" HEX);
	cr_assert_str_eq(q[1].name, "og.control.worker-a~nodea_t_0");
	cr_assert_str_eq(q[2].name, "og.presence.scheduler~x1");
	cr_assert_str_eq(q[3].name, "og.leader");
	for (size_t i = 0; i < 4; i++) {
		cr_assert(q[i].exclusive && !q[i].durable && !q[i].args.quorum && !q[i].args.reject_publish);
		cr_assert_eq(q[i].auto_delete, i < 3);
		cr_assert_eq(i<3, q[i].args.max_length> 0 || q[i].args.max_length_bytes > 0);
	}
}

Test(topology, reads_a_role_from_a_user_name)
{
	cr_assert_eq(og_role_of_user("producer"), OG_ROLE_PRODUCER);
	cr_assert_eq(og_role_of_user("worker-node-a"), OG_ROLE_WORKER);
	cr_assert_eq(og_role_of_user("scheduler-2"), OG_ROLE_SCHEDULER);
	cr_assert_eq(og_role_of_user("gateway-eu"), OG_ROLE_GATEWAY);
	cr_assert_eq(og_role_of_user("workers"), -1);
	cr_assert_eq(og_role_of_user("worker-"), -1);
	cr_assert_eq(og_role_of_user("admin"), -1);
	cr_assert_eq(og_role_of_user(""), -1);
}

Test(topology, tenants_of_users)
{
	cr_assert_str_eq(og_tenant_of_user("producer"), "default");
	cr_assert_str_eq(og_tenant_of_user("producer-nodea"), "nodea");
	cr_assert_str_eq(og_tenant_of_user("operator"), "default");
	cr_assert_str_eq(og_tenant_of_user("somebody"), "somebody");
}

/* The expressions themselves; that the broker holds them is tests/integration/test_permissions.py. */
static bool matches(const char *pattern, const char *s)
{
	regex_t re;
	bool hit;

	cr_assert_eq(regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB), 0, "%s", pattern);
	hit = regexec(&re, s, 0, NULL, 0) == 0;
	regfree(&re);
	return hit;
}

enum what { CONFIGURE, WRITE, READ, REPLIES_WRITE, REPLIES_READ, CONTROL_WRITE, CONTROL_READ };

static bool may(enum og_role role, const char *user, enum what what, const char *name)
{
	struct og_permissions p;

	og_role_permissions(role, user, &p);
	cr_assert_eq(p.n_topics, 2);
	cr_assert_str_eq(p.topics[0].exchange, OG_X_REPLIES);
	cr_assert_str_eq(p.topics[1].exchange, OG_X_CONTROL);
	return matches((const char *const[]){p.configure, p.write, p.read, p.topics[0].write, p.topics[0].read,
			       p.topics[1].write, p.topics[1].read}[what],
		name);
}

Test(permissions, nobody_touches_the_default_exchange_or_the_brokers_own)
{
	static const char *const names[] = {"amq.default", "", "amq.topic", "amq.direct", "amq.fanout", "amq.gen-x"};

	for (int r = 0; r < OG_ROLES; r++) {
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
			for (int w = CONFIGURE; w <= READ; w++)
				cr_assert_not(may((enum og_role)r, "worker-a", (enum what)w, names[i]));
		}
	}
}

Test(permissions, nobody_binds_a_wildcard_that_reads_others)
{
	for (int r = 0; r < OG_ROLES; r++) {
		for (int w = REPLIES_READ; w <= CONTROL_READ; w += 2) {
			cr_assert_not(may((enum og_role)r, "worker-a", (enum what)w, "#"));
			cr_assert_not(may((enum og_role)r, "worker-a", (enum what)w, "*.done"));
			cr_assert_not(may((enum og_role)r, "worker-a", (enum what)w, "*.*"));
			cr_assert_not(may((enum og_role)r, "worker-a", (enum what)w, "tier.*"));
		}
	}
}

Test(permissions, a_producer_owns_its_replies_and_no_others)
{
	const enum og_role r = OG_ROLE_PRODUCER;

	cr_assert(may(r, "producer-a", CONFIGURE, "og.reply.producer-a~" HEX));
	cr_assert(may(r, "producer-a", READ, "og.reply.producer-a~" HEX));
	cr_assert(may(r, "producer-a", REPLIES_READ, "producer-a~" HEX ".*"));
	cr_assert(may(r, "producer-a", WRITE, "og.jobs"));
	cr_assert(may(r, "producer-a", WRITE, "og.rpc"));
	cr_assert_not(may(r, "producer-a", CONFIGURE, "og.reply.producer-ab~" HEX));
	cr_assert_not(may(r, "producer-a", CONFIGURE, "og.reply.producer-a~" HEX "0"));
	cr_assert_not(may(r, "producer-a", READ, "og.reply.producer-b~" HEX));
	cr_assert_not(may(r, "producer-a", READ, "og.jobs.intake"));
	cr_assert_not(may(r, "producer-a", REPLIES_READ, "producer-b~" HEX ".*"));
	cr_assert_not(may(r, "producer-a", WRITE, "og.replies"), "it could dead-letter a forged answer into it");
	cr_assert_not(may(r, "producer-a", REPLIES_WRITE, "producer-a~" HEX ".done"));
	cr_assert_not(may(r, "producer-a", WRITE, "og.work"));
	cr_assert_not(may(r, "producer-a", WRITE, "ogXjobs"));
}

Test(permissions, a_worker_reads_work_and_answers_it)
{
	const enum og_role r = OG_ROLE_WORKER;

	cr_assert(may(r, "worker-a", READ, "og.tier.llama-3_2-3b"));
	cr_assert(may(r, "worker-a", READ, "og.node.worker-a~nodea_t_0"));
	cr_assert(may(r, "worker-a", CONFIGURE, "og.control.worker-a~nodea_t_0"));
	cr_assert(may(r, "worker-a", CONTROL_READ, "tier.llama-3_2-3b"));
	cr_assert(may(r, "worker-a", REPLIES_WRITE, "producer-b~" HEX ".done"));
	cr_assert_not(may(r, "worker-a", READ, "og.node.worker-b~nodeb_t_0"));
	cr_assert_not(may(r, "worker-a", READ, "og.state"));
	cr_assert_not(may(r, "worker-a", READ, "og.work"));
	cr_assert_not(may(r, "worker-a", READ, "og.replies"));
	cr_assert_not(may(r, "worker-a", CONFIGURE, "og.tier.llama-3_2-3b"));
	cr_assert_not(may(r, "worker-a", WRITE, "og.control"));
	cr_assert_not(may(r, "worker-a", REPLIES_WRITE, "producer-b~" HEX ".rpc"));
}

Test(permissions, a_scheduler_moves_jobs)
{
	static const char *const reads[] = {"og.jobs.intake", "og.wait.llama-3_2-3b.high.0", "og.state",
		"og.state.later", "og.rpc", "og.tier.t", "og.presence", "og.presence.scheduler~x"};
	static const char *const writes[] = {"og.wait", "og.work", "og.replies", "og.control", "og.later", "og.dead"};
	const enum og_role r = OG_ROLE_SCHEDULER;

	for (size_t i = 0; i < sizeof(reads) / sizeof(reads[0]); i++)
		cr_assert(may(r, "scheduler", READ, reads[i]), "%s", reads[i]);
	for (size_t i = 0; i < sizeof(writes) / sizeof(writes[0]); i++)
		cr_assert(may(r, "scheduler", WRITE, writes[i]), "%s", writes[i]);
	cr_assert(may(r, "scheduler", CONFIGURE, "og.leader"));
	cr_assert(may(r, "scheduler", REPLIES_WRITE, "producer-b~" HEX ".rpc"));
	cr_assert_not(may(r, "scheduler", CONFIGURE, "og.jobs.intake"));
	cr_assert_not(may(r, "scheduler", WRITE, "og.jobs"));
	cr_assert_not(may(r, "scheduler", READ, "og.replies"));
	cr_assert_not(may(r, "scheduler", READ, "og.reply.producer-a~" HEX));
}

Test(permissions, the_longest_user_name_fits)
{
	const char *user = "worker-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

	for (int r = 0; r < OG_ROLES; r++) {
		struct og_permissions p;

		og_role_permissions((enum og_role)r, user, &p);
		cr_assert_eq(p.configure[strlen(p.configure) - 1], '$');
		cr_assert_eq(p.write[strlen(p.write) - 1], '$');
		cr_assert_eq(p.read[strlen(p.read) - 1], '$');
	}
}
