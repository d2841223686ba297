/* Who lives: workers and nodes, from their heartbeats alone, and what each tier can run. Kept by a standby too, so
 * that a new leader knows the fleet at once. Pure: `now` is monotonic ms, given.
 *
 * A *worker* here is one process, known by its instance; a node that serves nothing is one with `serve` false. */
#ifndef OG_SCHEDULER_NODES_H
#define OG_SCHEDULER_NODES_H

#include <stdbool.h>
#include <stdint.h>
#include <uthash.h>

#include "model/catalogue.h"
#include "model/presence.h"

#define OG_WORKERS_MAX    65536
#define OG_WORKERS_A_USER 256 /* processes: beyond it a user's heartbeats of further ones are not believed */

struct og_node {
	UT_hash_handle hh; /* by id */
	char id[OG_ID_LEN + 1], name[OG_NAME_MAX], region[OG_NAME_MAX];
	char user[OG_NAME_MAX]; /* whose it is: who spoke of it first, as the broker has checked */
	unsigned processes, serving;
	bool drained;    /* by order: its workers take nothing, whatever their last heartbeat says */
	int64_t told_at; /* when its record was last written */
};

/* Who speaks for workers. */
struct og_speaker {
	UT_hash_handle hh; /* by user */
	unsigned workers;
	char user[OG_NAME_MAX];
};

struct og_worker {
	UT_hash_handle hh;       /* by said.instance */
	struct og_presence said; /* its latest heartbeat, the ids that it runs included */
	char key[OG_KEY_MAX];    /* of its control messages: the key form of its name; "" where it serves nothing */
	struct og_node *node;
	int tier;          /* row of the catalogue; -1: serves none that we know */
	int64_t seen;      /* when we heard it last */
	uint32_t beats;    /* heartbeats of it, counted */
	int64_t free_from; /* since when every heartbeat of it showed a free slot; 0: the latest showed none */
	struct og_worker *prev, *next; /* of its tier */
	/* Of the index, which counts them: jobs that heartbeats show it to run, and jobs that were placed at its own queue
	 * and that it does not run yet. */
	unsigned running, reserved;
};

struct og_capacity {
	unsigned workers; /* live */
	unsigned slots;   /* of those that take more work, and the busy ones of those that only finish theirs */
	unsigned busy;
	int64_t seen; /* when a worker of the tier was last heard; 0: never */
};

struct og_nodes {
	const struct og_catalogue *catalogue;
	struct og_worker *workers;
	struct og_node *nodes;
	struct og_speaker *speakers;
	struct og_capacity tiers[OG_TIERS_MAX];
	struct og_worker *of_tier[OG_TIERS_MAX]; /* the live workers of each */
	unsigned changes; /* of who is a member, and of its name and whether it serves: counts up */
};

void og_nodes_init(struct og_nodes *n, const struct og_catalogue *catalogue);
void og_nodes_done(struct og_nodes *n);

/* False: the node or the process that `p` speaks of is another user's. */
bool og_nodes_may_say(const struct og_nodes *n, const struct og_presence *p, const char *user);
/* Takes what a heartbeat of `user`, who may say it, says (`p` is empty after). NULL: there are too many already.
 * *ret_before: the runs that the worker had listed before, the caller's to free. */
struct og_worker *og_nodes_hear(struct og_nodes *n, struct og_presence *p, const char *user, int64_t now,
	struct og_presence_run **ret_before, size_t *ret_n_before);
struct og_worker *og_nodes_find(const struct og_nodes *n, const char *instance);
/* A worker unheard for OG_PRESENCE_LOST_MS; NULL: none. */
struct og_worker *og_nodes_lost(const struct og_nodes *n, int64_t now);
void og_nodes_remove(struct og_nodes *n, struct og_worker *w);
/* From the order on: until the worker has heard of it, its heartbeats show it free. No-op for an unknown node. */
void og_nodes_drain(struct og_nodes *n, const char *node_id, bool drained);
bool og_worker_takes_work(const struct og_worker *w); /* it neither drains nor is paused */
/* By its name, which anybody can write, and by its user, as the broker has checked; NULL: none of the tier. */
struct og_worker *og_nodes_named(const struct og_nodes *n, unsigned tier, const char *worker, const char *user);
/* How many more jobs it has a slot for, as far as we know: none while it takes no work. */
unsigned og_worker_free_slots(const struct og_worker *w);

/* At most `max` members into out; returns how many there are. */
size_t og_nodes_members(const struct og_nodes *n, struct og_member *out, size_t max);
/* Since when some worker of the tier has had a free slot without a break; 0: none has one. */
int64_t og_nodes_free_from(const struct og_nodes *n, int tier);
/* Another live process under the same worker name; NULL: none. It would share queues with `w`. */
struct og_worker *og_nodes_namesake(const struct og_nodes *n, const struct og_worker *w);

#endif
