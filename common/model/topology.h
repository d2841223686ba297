/* The broker's topology as one table, computed from the catalogue: what og-broker-config applies and checks, and what
 * the in-memory twin is set up with. Programs declare only the exclusive queues that are theirs: the table is some
 * hundreds of queues long, and a program that may not declare a queue cannot declare it wrongly. */
#ifndef OG_MODEL_TOPOLOGY_H
#define OG_MODEL_TOPOLOGY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/catalogue.h"

/* Every exchange is durable. */
enum og_exchange_type { OG_EXCHANGE_DIRECT, OG_EXCHANGE_TOPIC, OG_EXCHANGE_FANOUT };

struct og_exchange {
	const char *name;
	enum og_exchange_type type;
};

/* Queue arguments; 0 means "not set". */
struct og_queue_args {
	bool quorum; /* else classic */
	int64_t max_length, max_length_bytes;
	bool reject_publish; /* overflow; else drop-head */
	int64_t delivery_limit;
	/* Where what the broker gives up on (delivery limit, reject, TTL) goes. TO_RETRY is of the delays: the broker
	 * waits there for the confirm of where it goes (at-least-once). */
	enum { OG_DEAD_DROPPED, OG_DEAD_KEPT, OG_DEAD_TO_RETRY } dead_letter;
	int64_t message_ttl_ms, expires_ms;
	bool single_active_consumer;
};

struct og_queue {
	char name[OG_KEY_MAX];
	bool durable, exclusive, auto_delete;
	struct og_queue_args args;
};

struct og_binding {
	char exchange[OG_NAME_MAX], queue[OG_KEY_MAX], key[OG_KEY_MAX];
};

struct og_topology {
	struct og_exchange exchanges[16];
	size_t n_exchanges;
	struct og_queue *queues;
	size_t n_queues;
	struct og_binding *bindings;
	size_t n_bindings;
};

struct og_topology_limits {
	int64_t intake_max_jobs, intake_max_bytes; /* of og.jobs.intake */
	int64_t lane_max_jobs, lane_max_bytes;     /* of each lane */
	int64_t reply_max_bytes;                   /* of a producer's reply queue (drop-head) */
	int64_t dead_max_jobs, dead_max_bytes;     /* of og.dead */
};

struct og_topology *og_topology_new(const struct og_catalogue *c, const struct og_topology_limits *limits);
void og_topology_free(struct og_topology *t);

/* The queues that come and go with their owner: exclusive, not in the table. `id` is key-formed; a worker takes a new
 * one for each connection. */
void og_topology_reply_queue(const char *reply, const struct og_topology_limits *limits, struct og_queue *ret);
void og_topology_control_queue(const char *user, const char *id, struct og_queue *ret);
void og_topology_presence_queue(const char *user, const char *id, struct og_queue *ret);
void og_topology_leader_queue(struct og_queue *ret);
/* A worker's own queue, durable: the scheduler makes it on first need, and deletes it when its worker is gone. */
void og_topology_node_queue(const char *user, const char *worker_key, struct og_queue *ret, struct og_binding *binding);

/* Roles and what each may do: regular expressions of the broker (anchored), and topic permissions. `user` is put in
 * literally (user names are [a-z0-9-]+, so it needs no escaping). */
enum og_role { OG_ROLE_PRODUCER, OG_ROLE_WORKER, OG_ROLE_SCHEDULER, OG_ROLE_GATEWAY, OG_ROLE_OPERATOR };
#define OG_ROLES 5
const char *og_role_name(enum og_role r);
/* A user is "<role>" or "<role>-<anything>"; -1 when its first part is no role. */
int og_role_of_user(const char *user);
/* The tenant of a user: what comes after its role, "default" where nothing does. Borrowed from it. */
const char *og_tenant_of_user(const char *user);

struct og_topic_permission {
	const char *exchange;
	char write[512], read[512];
};
struct og_permissions {
	char configure[512], write[512], read[512];
	struct og_topic_permission
		topics[2]; /* og.replies, og.control: both always set, "^$" where nothing is allowed */
	size_t n_topics;
};
void og_role_permissions(enum og_role r, const char *user, struct og_permissions *ret);

#endif
