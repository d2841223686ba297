/* og-scheduler: the shell around `plan`. One loop, one thread.
 *
 *   connection   holds                                     lives
 *   lead         the lock; publishes everything            always; where it is lost, the leadership is over that moment
 *   presence     the heartbeats                            always: a standby knows the fleet too
 *   Redis        the view                                  always
 *   intake       intake, results, questions                while leading
 *   lanes …      the lanes, a few connections              while leading
 *
 * A *term* is one leadership, from the lock to its loss: everything that belongs to it goes with it, and what comes
 * back later (confirms, answers of Redis) carries the term's serial and is ignored. The broker has requeued all that
 * was held. */
#ifndef OG_SCHEDULER_SCHEDULER_H
#define OG_SCHEDULER_SCHEDULER_H

#include <jansson.h>
#include <uv.h>

#include "io/amqp.h"
#include "io/redis.h"
#include "model/envelope.h"
#include "model/settings.h"
#include "plan/admit.h"
#include "plan/lease.h"
#include "plan/stamp.h"

#define OG_INTAKE_PREFETCH 900
#define OG_STATE_PREFETCH  900
#define OG_LATER_PREFETCH  16
#define OG_RPC_PREFETCH    64
/* Of one lanes connection: with their prefetch it holds at most 1,920 unacked. */
#define OG_LANES_A_CONNECTION 120

struct og_scheduler;
struct og_term;
struct og_parked;
struct og_letter;
struct og_later;
struct og_order;
struct og_retry;
struct og_dying;
struct og_node_queue;
struct og_walk;
struct og_writes;

/* Where connections come from; tests give their own. */
struct og_dialer {
	int (*amqp)(void *ctx, const char *name, const struct og_amqp_events *events, struct og_amqp **ret,
		struct og_error *err);
	struct og_redis *(*redis)(void *ctx, const struct og_redis_events *events, struct og_error *err);
	void *ctx;
};

/* A delivery that somebody has to ack. */
struct og_source {
	struct og_amqp *from; /* NULL: nothing to ack */
	uint64_t epoch, tag;
};

/* The standing reader of one lane. */
struct og_lane_reader {
	struct og_scheduler *s;
	struct og_amqp *from;
	unsigned tier, lane;
	enum og_class class;
	int64_t came_at; /* monotonic: the last body of it */
	bool seen_end;   /* every job that waits in it is in the index */
};

struct og_connection;
typedef void og_lost_cb(struct og_scheduler *s, struct og_connection *c);

struct og_connection { /* a consuming one: connection.h */
	struct og_scheduler *s;
	struct og_amqp *amqp;
	og_lost_cb *on_lost;
	bool up, complained; /* complained: a person was told that it cannot be made */
};

struct og_term {
	uint64_t serial;
	int64_t epoch, since, since_wall; /* since: monotonic */
	bool opened;                      /* the consuming connections are open */
	bool loading;                     /* the index is being filled from Redis: loader.c */
	bool lost_writes;                 /* Redis refused some: rewrite.c */
	int64_t claimed_at;               /* monotonic: when that made us ask it last */
	bool rebuilding;                  /* Redis had lost records, and not all lanes have been seen to their end */
	int64_t lanes_since;              /* monotonic: since when all lanes are read without a break */
	int64_t blocked_until;            /* monotonic: see og_moves_blocked */
	int64_t orphans_from;             /* monotonic: orphans are ended from then on */
	struct og_connection intake, *lanes;
	size_t n_lanes;
	struct og_lane_reader *readers; /* one a lane */
	size_t n_readers;
	struct og_parked *parked;   /* submits that wait for room to publish, in order (intake.c) */
	struct og_parked *deferred; /* submits that wait for the fleet to be heard */
	struct og_parked *checking; /* submits whose id is being looked up */
	struct og_parked *holding;  /* on their way to og.hold, and from there (hold.c) */
	struct og_parked *held;
	struct og_letter *letters;      /* that wait to be sent (letter.c) */
	size_t n_letters;               /* and those that are not confirmed yet */
	unsigned n_watchers, n_streams; /* streams: those of them that want chunks */
	struct og_later *later;         /* results that wait for Redis (state.c) */
	struct og_order *orders;        /* of operators (orders.c) */
	struct og_retry *retries;       /* what was handed back, and is ours for now (retry.c) */
	unsigned n_retries;
	size_t retry_bytes;
	struct og_walk *walks; /* through og.dead: the first is under way (dead.c) */
	unsigned n_walks;
	unsigned n_dead_moves; /* of what it takes out, that have not settled */
	bool walk_lost;
	struct og_node_queue *node_queues; /* those that we know of (node_queue.c) */
	struct og_dying *dying;            /* dead letters that are not kept yet (dying.c), */
	unsigned n_dead_waiting;           /* and of those the ones that og.dead was too full for */
	int64_t dead_warned;               /* monotonic: when that was last spoken of */
};

struct og_counts { /* of this process, for people */
	uint64_t accepted, queued, placed, ended, refused, malformed, forged, duplicates, unstored, orphans;
};

struct og_scheduler {
	uv_loop_t *loop;
	const struct og_settings *settings;
	const struct og_catalogue *catalogue;
	struct og_dialer dialer;
	char id[OG_ID_LEN + 1], user[OG_NAME_MAX];
	struct og_plan plan;
	struct og_lease *lease;
	char lease_mark[OG_LEASE_HEX + 1]; /* tells two keys apart without telling either */
	struct og_amqp *lead, *presence;
	struct og_redis *redis;
	int64_t redis_sick_until; /* monotonic: it is up, and fails */
	struct og_writes *writes; /* what is about to go to it together, of this term (writes.h); NULL: nothing */
	uv_timer_t writes_due;
	struct og_term *term; /* NULL: standing by */
	uint64_t terms;
	int64_t epoch_seen;
	struct og_stamps stamps;
	int64_t forged_warned; /* monotonic: when something forged was last spoken of */
	unsigned members_told; /* plan.nodes.changes as it was told last */
	int64_t told_at;       /* monotonic: when that was confirmed; 0: not */
	int64_t telling_since; /* monotonic: since when a confirm is awaited; 0: none is */
	bool waits_for_lock, lead_blocked, lead_complained, presence_complained, redis_complained;
	bool presence_up, draining, stopping;
	int64_t presence_since, reopen_at; /* monotonic */
	unsigned ticks;
	uint64_t trimmed_at; /* jobs that came and ended when memory was given back last */
	char told[160];      /* the state as it was told last */
	uv_timer_t tick, due;
	int64_t due_at; /* wall clock; INT64_MAX: not armed */
	struct og_counts counts;
	/* Told when something changed that readiness or a person should know; may be NULL. */
	void (*on_state)(void *ctx, bool ready, const char *text);
	void (*on_drained)(void *ctx);
	/* The broker refuses who we are, from the start: there is no point in going on. */
	void (*on_refused)(void *ctx, const struct og_error *why);
	void *ctx;
};

struct og_scheduler_config {
	const struct og_settings *settings;
	const struct og_catalogue *catalogue;
	const struct og_tenants *tenants; /* NULL: all are equal */
	const char *user;                 /* that it connects as */
	const void *lease_key;
	size_t lease_key_len;
	struct og_dialer dialer;
	void (*on_state)(void *ctx, bool ready, const char *text);
	void (*on_drained)(void *ctx);
	void (*on_refused)(void *ctx, const struct og_error *why);
	void *ctx;
};

int og_scheduler_start(
	uv_loop_t *loop, const struct og_scheduler_config *config, struct og_scheduler **ret, struct og_error *err);
void og_scheduler_set_tenants(struct og_scheduler *s, const struct og_tenants *tenants); /* in place of the old */
void og_scheduler_drain(struct og_scheduler *s); /* takes nothing more; on_drained when what is in flight has settled */
void og_scheduler_stop(struct og_scheduler *s);  /* closes everything; the loop ends by itself */
void og_scheduler_free(struct og_scheduler *s);  /* after the loop has ended */
void og_scheduler_status(const struct og_scheduler *s, json_t *status); /* adds "scheduler" */

/* For the parts of the shell. */
void og_scheduler_kick(struct og_scheduler *s);    /* there may be room to publish again: what waited goes on */
void og_scheduler_arm_due(struct og_scheduler *s); /* a deadline may have become the next */
void og_scheduler_tell(struct og_scheduler *s);    /* readiness, from what is so now */
void og_source_ack(const struct og_source *source);

#endif
