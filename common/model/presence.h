/* Presence: what a worker says of itself every 2 s and on change, to every scheduler. JSON, versioned. Also the
 * membership that the leader tells to all when it changes. Liveness is this heartbeat's, never inferred from the
 * broker. */
#ifndef OG_MODEL_PRESENCE_H
#define OG_MODEL_PRESENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "model/names.h"

#define OG_PRESENCE_VERSION   1
#define OG_PRESENCE_PERIOD_MS 2000
#define OG_PRESENCE_LOST_MS   10000 /* unheard for so long: gone from `peers`, its slots count no more */
#define OG_SLOTS_MAX          1024
#define OG_PRESENCE_LEASE     16 /* digits of a lease, from its front, that a heartbeat shows: 64 bits */

struct og_presence_run {
	char id[OG_ID_LEN + 1];
	int64_t attempt, run, epoch, started_ms; /* started: wall clock */
	/* Of the placement's og-lease, in lower-case hex; "": none. Anything else is not told. */
	char lease[OG_PRESENCE_LEASE + 1];
};

struct og_presence {
	char node_id[OG_ID_LEN + 1], node_name[OG_NAME_MAX];
	char worker[3 * OG_NAME_MAX]; /* "<node name>/<tier>/<n>"; may be "" where serve is false */
	char instance[OG_ID_LEN + 1]; /* new at every start: two workers of one name show as two instances */
	bool serve;                   /* false: a peer that runs nothing */
	char tier[OG_NAME_MAX];       /* catalogue id; "" where serve is false */
	char model[OG_NAME_MAX], engine[32], region[OG_NAME_MAX], version[32];
	int64_t slots;
	int64_t context;                 /* tokens of a prompt and its answer together; 0: not known */
	double tokens_per_s;             /* moving average of what one slot gives; 0: not known */
	int64_t started_ms;              /* wall clock */
	bool draining, leaving;          /* leaving: the last word of an orderly stop */
	bool paused;                     /* it was told to take nothing from its tier's queue for now */
	bool node_queue;                 /* it reads its own queue too */
	struct og_presence_run *running; /* n_running of them, owned */
	size_t n_running;
};

char *og_presence_encode(const struct og_presence *p); /* caller frees */
int og_presence_decode(const void *body, size_t len, struct og_presence *ret, struct og_error *err);
void og_presence_done(struct og_presence *p);

struct og_member {
	char id[OG_ID_LEN + 1], name[OG_NAME_MAX];
	bool serve;
};
#define OG_MEMBERS_TOLD 200 /* the list is cut there; `count` is not */

char *og_membership_encode(const struct og_member *members, size_t n, size_t count);
int og_membership_decode(
	const void *body, size_t len, struct og_member **ret, size_t *ret_n, size_t *ret_count, struct og_error *err);

#endif
