/* Why the table is as it is.
 *
 * Every quorum queue has an explicit delivery limit: without one RabbitMQ 4 takes 20, and a queue that is charged a
 * delivery at each restart of its reader would lose innocents. It is a backstop against a message that kills its
 * reader for ever, and not a way to count attempts, so it is high; and what passes it goes to og.dead, because the
 * broker drops it otherwise. og.dead itself has nowhere to go on to, and each look into it is a delivery, so its limit
 * is out of reach. It refuses what is too much: that stays in og.dead.intake, where people see it, and nothing is lost.
 *
 * The delays are queues with a TTL that end in og.retry, which has no bound: a bounded one would make the broker try
 * again minutes later.
 *
 * Permissions. The broker checks four things: `configure` (declare, delete), `write` (publish to an exchange; bind a
 * queue), `read` (consume, get, purge; bind to an exchange), and for topic exchanges the routing key of a publish
 * (write) or of a bind (read). A topic exchange without an entry for a user lets the user do all, so each user has one
 * for both. Nothing here matches the default exchange ("amq.default" to the broker): to write it is to write every
 * queue. */
#include "model/topology.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

#define DELIVERY_LIMIT      100
#define DELIVERY_LIMIT_DEAD 1000000
#define RPC_TTL_MS          30000
#define RPC_MAX_LENGTH      10000
#define CONTROL_MAX_LENGTH  1000
#define PRESENCE_MAX_LENGTH 10000
#define RANDOM_HEX          "[0-9a-f]{32}"
#define KEY_FORMED          "[a-z0-9_-]+"
#define NOTHING             "^$"
#define FIXED_QUEUES        (8 + OG_DELAYS)
#define QUEUES_OF_A_TIER    (1 + OG_CLASSES * OG_LANES)

static const struct og_exchange exchanges[] = {
	{OG_X_JOBS, OG_EXCHANGE_DIRECT},
	{OG_X_WAIT, OG_EXCHANGE_DIRECT},
	{OG_X_WORK, OG_EXCHANGE_DIRECT},
	{OG_X_REPLIES, OG_EXCHANGE_TOPIC},
	{OG_X_CONTROL, OG_EXCHANGE_TOPIC},
	{OG_X_PRESENCE, OG_EXCHANGE_FANOUT},
	{OG_X_RPC, OG_EXCHANGE_DIRECT},
	{OG_X_RETRY, OG_EXCHANGE_DIRECT},
	{OG_X_LATER, OG_EXCHANGE_DIRECT},
	{OG_X_DEAD, OG_EXCHANGE_DIRECT},
};

/* A durable queue of the table and its one binding. */
static void add(struct og_topology *t, const char *name, const struct og_queue_args *args, const char *exchange,
	const char *key)
{
	struct og_queue *q = &t->queues[t->n_queues++];
	struct og_binding *b = &t->bindings[t->n_bindings++];

	q->durable = true;
	q->args = *args;
	snprintf(q->name, sizeof(q->name), "%s", name);
	snprintf(b->exchange, sizeof(b->exchange), "%s", exchange);
	snprintf(b->queue, sizeof(b->queue), "%s", name);
	snprintf(b->key, sizeof(b->key), "%s", key);
}

static void add_delay(struct og_topology *t, const struct og_delay *d)
{
	const struct og_queue_args args = {.quorum = true,
		.delivery_limit = DELIVERY_LIMIT,
		.reject_publish = true, /* without it the broker falls back to at-most-once, silently */
		.dead_letter = OG_DEAD_TO_RETRY,
		.message_ttl_ms = d->ms};
	char name[OG_KEY_MAX], key[OG_KEY_MAX];

	snprintf(name, sizeof(name), "og.delay.%s", d->name);
	snprintf(key, sizeof(key), "delay.%s", d->name);
	add(t, name, &args, OG_X_LATER, key);
}

static void add_fixed(struct og_topology *t, const struct og_topology_limits *limits)
{
	const struct og_queue_args unbounded = {
		.quorum = true, .delivery_limit = DELIVERY_LIMIT, .dead_letter = OG_DEAD_KEPT};
	struct og_queue_args intake = unbounded;
	const struct og_queue_args dead = {.quorum = true,
		.delivery_limit = DELIVERY_LIMIT_DEAD,
		.max_length = limits->dead_max_jobs,
		.max_length_bytes = limits->dead_max_bytes,
		.reject_publish = true};
	const struct og_queue_args dying = {.quorum = true, .delivery_limit = DELIVERY_LIMIT_DEAD};
	const struct og_queue_args rpc = {.message_ttl_ms = RPC_TTL_MS, .max_length = RPC_MAX_LENGTH};

	intake.max_length = limits->intake_max_jobs;
	intake.max_length_bytes = limits->intake_max_bytes;
	intake.reject_publish = true;

	add(t, OG_Q_INTAKE, &intake, OG_X_JOBS, OG_K_INTAKE);
	add(t, OG_Q_STATE, &unbounded, OG_X_REPLIES, "*.done");
	add(t, OG_Q_STATE_LATER, &unbounded, OG_X_LATER, OG_K_LATER);
	add(t, OG_Q_RETRY, &unbounded, OG_X_RETRY, OG_K_RETRY);
	add(t, OG_Q_HOLD, &intake, OG_X_LATER, OG_K_HOLD);
	for (size_t i = 0; i < OG_DELAYS; i++)
		add_delay(t, &og_delays[i]);
	add(t, OG_Q_DEAD_INTAKE, &dying, OG_X_DEAD, OG_K_DEAD);
	add(t, OG_Q_DEAD, &dead, OG_X_DEAD, OG_K_KEPT);
	add(t, OG_Q_RPC, &rpc, OG_X_RPC, OG_K_RPC);
}

static void add_tier(struct og_topology *t, const char *tier_key, const struct og_topology_limits *limits)
{
	const struct og_queue_args work = {
		.quorum = true, .delivery_limit = DELIVERY_LIMIT, .dead_letter = OG_DEAD_KEPT};
	struct og_queue_args lane = work;
	char name[OG_KEY_MAX], key[OG_KEY_MAX];

	lane.max_length = limits->lane_max_jobs;
	lane.max_length_bytes = limits->lane_max_bytes;
	lane.reject_publish = true;

	og_queue_tier(tier_key, name);
	add(t, name, &work, OG_X_WORK, tier_key);
	for (int c = 0; c < OG_CLASSES; c++) {
		for (unsigned k = 0; k < OG_LANES; k++) {
			og_queue_lane(tier_key, (enum og_class)c, k, name);
			og_key_lane(tier_key, (enum og_class)c, k, key);
			add(t, name, &lane, OG_X_WAIT, key);
		}
	}
}

struct og_topology *og_topology_new(const struct og_catalogue *c, const struct og_topology_limits *limits)
{
	struct og_topology *t = og_new(struct og_topology);
	size_t n = FIXED_QUEUES + c->n * QUEUES_OF_A_TIER;

	memcpy(t->exchanges, exchanges, sizeof(exchanges));
	t->n_exchanges = OG_COUNT(exchanges);
	t->queues = og_alloc(n * sizeof(*t->queues));
	t->bindings = og_alloc(n * sizeof(*t->bindings));
	add_fixed(t, limits);
	for (size_t i = 0; i < c->n; i++)
		add_tier(t, c->tiers[i].key, limits);
	return t;
}

void og_topology_free(struct og_topology *t)
{
	if (!t)
		return;
	free(t->queues);
	free(t->bindings);
	free(t);
}

void og_topology_reply_queue(const char *reply, const struct og_topology_limits *limits, struct og_queue *ret)
{
	*ret = (struct og_queue){
		.exclusive = true, .auto_delete = true, .args = {.max_length_bytes = limits->reply_max_bytes}};
	og_queue_reply(reply, ret->name);
}

void og_topology_control_queue(const char *user, const char *id, struct og_queue *ret)
{
	*ret = (struct og_queue){.exclusive = true, .auto_delete = true, .args = {.max_length = CONTROL_MAX_LENGTH}};
	og_queue_control(user, id, ret->name);
}

void og_topology_presence_queue(const char *user, const char *id, struct og_queue *ret)
{
	*ret = (struct og_queue){.exclusive = true, .auto_delete = true, .args = {.max_length = PRESENCE_MAX_LENGTH}};
	og_queue_presence(user, id, ret->name);
}

void og_topology_node_queue(const char *user, const char *worker_key, struct og_queue *ret, struct og_binding *binding)
{
	*ret = (struct og_queue){.durable = true,
		.args = {.quorum = true, .delivery_limit = DELIVERY_LIMIT, .dead_letter = OG_DEAD_KEPT}};
	*binding = (struct og_binding){.exchange = OG_X_WORK};
	og_queue_node(user, worker_key, ret->name);
	og_queue_node(user, worker_key, binding->queue);
	og_key_node(user, worker_key, binding->key);
}

/* Not auto-delete: nobody consumes from it, and it goes with the connection that declared it. */
void og_topology_leader_queue(struct og_queue *ret)
{
	*ret = (struct og_queue){.name = OG_Q_LEADER, .exclusive = true};
}

static const char *const role_names[OG_ROLES] = {
	[OG_ROLE_PRODUCER] = "producer",
	[OG_ROLE_WORKER] = "worker",
	[OG_ROLE_SCHEDULER] = "scheduler",
	[OG_ROLE_GATEWAY] = "gateway",
	[OG_ROLE_OPERATOR] = "operator",
};

const char *og_role_name(enum og_role r)
{
	return role_names[r];
}

int og_role_of_user(const char *user)
{
	for (int r = 0; r < OG_ROLES; r++) {
		size_t n = strlen(role_names[r]);

		if (strncmp(user, role_names[r], n) == 0 && (user[n] == '\0' || (user[n] == '-' && user[n + 1])))
			return r;
	}
	return -1;
}

const char *og_tenant_of_user(const char *user)
{
	int role = og_role_of_user(user);
	const char *rest = role >= 0 ? user + strlen(og_role_name((enum og_role)role)) : user;

	if (role < 0)
		return user;
	return *rest == '-' ? rest + 1 : "default";
}

/* One row a role; %s is the user.
 *
 * producer, gateway, operator: ask (og.jobs, og.rpc) and read the own answers, which come to reply keys that begin with the own
 *   name. They may not write og.replies at all: with that right they could have their own queue dead-letter into it,
 *   with any routing key, and the broker does not check the topic of what it dead-letters.
 * worker: reads work, answers it, says that it lives, hears what is said to workers. It may bind no wildcard to
 *   og.control, and its node queue carries its user's name; the scheduler makes that queue, because a worker that may
 *   bind to og.work could bind any tier.
 * scheduler: moves jobs. It reads og.tier.* to take back what was placed where no worker is left. */
#define REPLY_QUEUE    "og\\.reply\\.%s~" RANDOM_HEX
#define CONTROL_QUEUE  "og\\.control\\.%s~" KEY_FORMED
#define PRESENCE_QUEUE "og\\.presence\\.%s~" KEY_FORMED
#define NODE_QUEUE     "og\\.node\\.[a-z0-9-]+~" KEY_FORMED
#define CLIENT                                                                                                         \
	{                                                                                                              \
		.configure = "^" REPLY_QUEUE "$", .write = "^(og\\.jobs|og\\.rpc|" REPLY_QUEUE ")$",                   \
		.read = "^(og\\.replies|" REPLY_QUEUE ")$", .replies_write = NOTHING,                                  \
		.replies_read = "^%s~" RANDOM_HEX "\\.\\*$", .control_write = NOTHING, .control_read = NOTHING,        \
	}

static const struct {
	const char *configure, *write, *read;
	const char *replies_write, *replies_read, *control_write, *control_read;
} rights[OG_ROLES] = {
	[OG_ROLE_PRODUCER] = CLIENT,
	[OG_ROLE_GATEWAY] = CLIENT,
	[OG_ROLE_OPERATOR] = CLIENT,
	[OG_ROLE_WORKER] =
		{
			.configure = "^" CONTROL_QUEUE "$",
			.write = "^(og\\.(replies|presence|retry|dead)|" CONTROL_QUEUE ")$",
			.read = "^(og\\.control|" CONTROL_QUEUE "|og\\.tier\\." KEY_FORMED "|og\\.node\\.%s~" KEY_FORMED
				")$",
			.replies_write = "^[a-z0-9-]+~" RANDOM_HEX "\\.(started|chunk|done)$",
			.replies_read = NOTHING,
			.control_write = NOTHING,
			.control_read = "^(all|(tier|node|worker)\\." KEY_FORMED ")$",
		},
	[OG_ROLE_SCHEDULER] =
		{
			.configure = "^(og\\.leader|" PRESENCE_QUEUE "|" NODE_QUEUE ")$",
			.write = "^(og\\.(wait|work|replies|control|later|dead)|" PRESENCE_QUEUE "|" NODE_QUEUE ")$",
			.read = "^(og\\.(presence|work|jobs\\.intake|state|state\\.later|rpc|retry|hold)"
				"|og\\.dead|og\\.dead\\.intake|og\\.wait\\.[a-z0-9_.-]+"
				"|og\\.tier\\." KEY_FORMED "|" PRESENCE_QUEUE "|" NODE_QUEUE ")$",
			.replies_write = "^[a-z0-9-]+~" RANDOM_HEX "\\.(placed|ping|done|rpc|result)$",
			.replies_read = NOTHING,
			.control_write = "^(all|(tier|node|worker)\\." KEY_FORMED ")$",
			.control_read = NOTHING,
		},
};

/* Copies `pattern` with the user's name for each %s. */
static void fill(char *out, size_t size, const char *pattern, const char *user)
{
	size_t len = 0;

	while (*pattern && len + 1 < size) {
		if (pattern[0] == '%' && pattern[1] == 's') {
			len += (size_t)snprintf(out + len, size - len, "%s", user);
			pattern += 2;
		} else {
			out[len++] = *pattern++;
		}
	}
	out[len < size ? len : size - 1] = '\0';
}

void og_role_permissions(enum og_role r, const char *user, struct og_permissions *ret)
{
	struct og_topic_permission *replies = &ret->topics[0], *control = &ret->topics[1];

	*ret = (struct og_permissions){.n_topics = 2};
	fill(ret->configure, sizeof(ret->configure), rights[r].configure, user);
	fill(ret->write, sizeof(ret->write), rights[r].write, user);
	fill(ret->read, sizeof(ret->read), rights[r].read, user);
	replies->exchange = OG_X_REPLIES;
	fill(replies->write, sizeof(replies->write), rights[r].replies_write, user);
	fill(replies->read, sizeof(replies->read), rights[r].replies_read, user);
	control->exchange = OG_X_CONTROL;
	fill(control->write, sizeof(control->write), rights[r].control_write, user);
	fill(control->read, sizeof(control->read), rights[r].control_read, user);
}
