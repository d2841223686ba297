/* Fair shares: weighted fair queueing over the tenants that wait in a tier, by what their jobs cost (start-time fair
 * queueing: P. Goyal, H. M. Vin, H. Cheng, SIGCOMM 1996).
 *
 * A tenant in a tier is a *flow*. Its start tag is the virtual time at which its next job is due; the flow with the least
 * is served, and its tag then grows by the job's cost / the tenant's weight. The tier's virtual time is the least tag of those
 * that wait (the greatest of all, where nobody does), and never goes back: where classes go before tags, the tag that was
 * served last says little. A flow that begins to wait starts there, if its own is behind: whoever was idle has saved
 * nothing up; and where nobody waited, whoever was served owes nothing. The cost is an estimate, put right when the job ends: the flow pays for what it used.
 *
 * A tenant is an *account* while it has jobs: its limits and what counts against them. Both are kept for a while when
 * they are idle, for what they owe: one that comes back under load must not begin anew. */
#ifndef OG_SCHEDULER_TENANTS_H
#define OG_SCHEDULER_TENANTS_H

#include <stdbool.h>
#include <stdint.h>
#include <uthash.h>

#include "model/job.h"
#include "model/names.h"
#include "model/tenants.h"

#define OG_COST_USUAL     256     /* tokens of an answer of which nobody says how long it may be */
#define OG_COST_MAX       1000000 /* of one job */
#define OG_ACCOUNTS_IDLE  8192    /* are kept; beyond it those that owe nothing go, and if need be all */
#define OG_CAME_WINDOW_MS 30000
#define OG_CAME_LEAST_MS  4000
#define OG_WENT_WINDOW_MS 120000

struct og_index;
struct og_entry;
struct og_account;

/* How many come in a ms, over the last window and the one that runs. */
struct og_rate {
	int64_t began, before_ms;
	unsigned before, current;
};
unsigned og_rate_seen(const struct og_rate *r, int64_t window_ms, int64_t now); /* how many these were */
void og_rate_count(struct og_rate *r, int64_t window_ms, int64_t now);
/* 0 where nothing came lately. What has begun to come is spread over `least_ms` at least. */
double og_rate_per_ms(const struct og_rate *r, int64_t window_ms, int64_t least_ms, int64_t now);

struct og_flow {
	struct og_flow *prev, *next;           /* of its tier */
	struct og_flow *wait_prev, *wait_next; /* of those that wait there */
	struct og_account *account;
	unsigned refs; /* entries */
	unsigned tier;
	double start;
	double cost; /* moving average of a job's */
	unsigned waiting[OG_CLASSES];
	uint32_t next_nth[OG_CLASSES];                     /* the number of the next job to wait */
	uint64_t idle_at;                                  /* og_tier_index.placements when it waited last */
	struct og_rate came[OG_CLASSES], went[OG_CLASSES]; /* went: of those that waited */
};

struct og_account {
	UT_hash_handle hh; /* by name */
	unsigned refs;     /* entries */
	int64_t weight, max_running, max_queued, per_minute;
	int64_t told_weight; /* the last word of a gateway, which counts before the file's; 0: none said one */
	unsigned waiting, placed;
	double tokens; /* of the bucket for per_minute */
	int64_t filled_at;
	struct og_flow **flows; /* by tier; NULL: none yet */
	char name[OG_NAME_MAX];
};

/* For index.c. Taken by an entry, and dropped with it. */
struct og_flow *og_flow_take(struct og_index *ix, const char *tenant, unsigned tier);
void og_flow_drop(struct og_index *ix, struct og_flow *f);
void og_flow_count(struct og_index *ix, const struct og_entry *e, int sign); /* what e counts for where it is */
void og_flow_charge(struct og_index *ix, struct og_entry *e);                /* it is being placed */
void og_flow_refund(struct og_index *ix, struct og_entry *e);                /* its placement was refused */
void og_accounts_free(struct og_index *ix);

uint32_t og_job_cost(uint64_t bytes, int64_t max_tokens); /* in tokens; max_tokens 0: nobody says */
/* What an ended job used. */
void og_flow_used(struct og_entry *e, int64_t tokens);

/* Its gateway's word for its weight; 0 says nothing. */
void og_account_weigh(struct og_account *a, int64_t weight);
/* Its tenant has as many placed as it may. */
bool og_account_full(const struct og_account *a);
struct og_account *og_account_find(const struct og_index *ix, const char *tenant); /* NULL: none */
/* The account and flow of one that submits, made where there is none. */
struct og_flow *og_flow_of(struct og_index *ix, const char *tenant, unsigned tier);
/* 0: there is a submit left of the minute's; else in how many s there is one again. */
unsigned og_account_spent(struct og_account *a, int64_t now);
/* Takes one. */
void og_account_spend(struct og_account *a, int64_t now);
/* Of a tier, as things are now. */
double og_virtual_time(const struct og_index *ix, unsigned tier);
/* Other rules are in force. */
void og_accounts_ruled(struct og_index *ix, const struct og_tenants *rules);

#endif
