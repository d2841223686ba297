#include "shell/rewrite.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/log.h"
#include "shell/leader.h"
#include "shell/records.h"

#define RECORDS_A_TICK 500
#define AGAIN_MS       5000 /* after writes that it refused, Redis is asked so often what it has */

/* What is on its way is recorded when it arrives; what is at the door has no record yet. */
static bool has_record(const struct og_entry *e)
{
	return e->tenant && (e->where == OG_WHERE_LANE || e->where == OG_WHERE_TIER || e->where == OG_WHERE_RUN);
}

void og_rewrite_begin(struct og_scheduler *s, int64_t open)
{
	struct og_index *ix = s->plan.index;
	int64_t known = 0;

	s->term->lost_writes = false;
	ix->walk_at = ix->by_id; /* what came while Redis was away has no record yet */
	for (const struct og_entry *e = ix->by_id; e; e = e->hh.next)
		known += has_record(e) && e->recorded;
	if (open >= known)
		return;
	og_warn("Redis has lost records: they are written again", "open=%lld of=%lld", (long long)open,
		(long long)known);
	for (struct og_entry *e = ix->by_id; e; e = e->hh.next)
		e->recorded = e->recorded && !has_record(e);
}

void og_rewrite_go_on(struct og_scheduler *s)
{
	struct og_index *ix = s->plan.index;

	for (int n = 0; n < RECORDS_A_TICK && ix->walk_at && og_records_healthy(s);
		ix->walk_at = ix->walk_at->hh.next) {
		if (!has_record(ix->walk_at) || ix->walk_at->recorded)
			continue;
		og_records_again(s, ix->walk_at);
		n++;
	}
}

struct check {
	struct og_scheduler *s;
	uint64_t term;
};

static void on_epoch(void *ctx, const struct og_redis_reply *reply, const struct og_error *err)
{
	struct check c = *(struct check *)ctx;

	(void)err;
	free(ctx);
	if (c.s->term && c.s->term->serial == c.term && reply && reply->type == OG_REPLY_NIL)
		og_leader_redis_up(c.s);
}

void og_rewrite_check(struct og_scheduler *s, int64_t now)
{
	struct check *c;

	if (!og_records_healthy(s) || s->term->loading)
		return;
	if (s->term->lost_writes && now - s->term->claimed_at >= AGAIN_MS) {
		s->term->claimed_at = now;
		og_leader_redis_up(s);
		return;
	}
	c = og_new(struct check);
	*c = (struct check){.s = s, .term = s->term->serial};
	if (og_records_epoch(s, on_epoch, c) != 0)
		free(c);
}
