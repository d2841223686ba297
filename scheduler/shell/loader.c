/* Fills the index from Redis when a term begins, and when Redis comes back within one: the records of what is open,
 * oldest first. Ids that are in the index already know better, except those of which only a heartbeat was known. */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/parse.h"
#include "shell/lanes.h"
#include "shell/leader.h"
#include "shell/records.h"

struct page {
	struct og_scheduler *s;
	uint64_t term;
	int64_t from; /* its first record was accepted then, or later */
};

static bool ask(struct page *p);

/* 0, or -1: the record is not one that says where a job is. */
static int read_row(
	const struct og_scheduler *s, const struct og_redis_reply *row, struct og_facts *f, enum og_state *ret_state)
{
	const struct og_redis_reply *text = row; /* fields begin at 2 */
	const char *state = og_record_text(text, 2 + OG_RECORD_STATE), *tier = og_record_text(text, 2 + OG_RECORD_TIER);
	const char *class = og_record_text(text, 2 + OG_RECORD_CLASS);
	const char *lane = og_record_text(text, 2 + OG_RECORD_LANE);
	int64_t k;
	const struct og_tier *t = tier ? og_catalogue_find(s->catalogue, tier) : NULL;

	*f = (struct og_facts){
		.id = og_record_text(row, 0),
		.tenant = og_record_text(row, 2 + OG_RECORD_TENANT),
		.reply = og_record_text(row, 2 + OG_RECORD_REPLY),
		.class = OG_CLASS_NORMAL,
		.accepted_ms = og_record_number(row, 2 + OG_RECORD_ACCEPTED),
		.deadline_ms = og_record_number(row, 2 + OG_RECORD_DEADLINE),
		.bytes = (uint32_t)og_record_number(row, 2 + OG_RECORD_BYTES),
		.attempt = (uint32_t)og_record_number(row, 2 + OG_RECORD_ATTEMPT),
		.explicit_id = og_record_number(row, 2 + OG_RECORD_EXPLICIT),
		.detach = og_record_number(row, 2 + OG_RECORD_DETACH),
	};
	if (!t || !state || og_state_parse(state, ret_state, NULL) != 0 || !f->id || !f->tenant || !f->reply ||
		!og_reply_valid(f->reply))
		return -1;
	f->tier = (unsigned)(t - s->catalogue->tiers);
	f->lane = lane && og_parse_int(lane, 0, OG_LANES - 1, &k, NULL) == 0 ? (unsigned)k + 1 : 0;
	if (class)
		og_class_parse(class, &f->class, NULL);
	return 0;
}

static void take_row(struct og_scheduler *s, const struct og_redis_reply *row)
{
	struct og_facts facts;
	enum og_state state;
	struct og_entry *e;

	if (read_row(s, row, &facts, &state) != 0)
		return;
	e = og_index_find(s->plan.index, facts.id);
	if (e && !e->tenant) {
		facts.tier = e->tier; /* where it was seen to run */
		og_index_fill(s->plan.index, e, &facts);
	} else if (!e && !og_recent_find(s->plan.recent, facts.id, NULL) &&
		   (state == OG_STATE_QUEUED || state == OG_STATE_PLACED)) {
		e = og_index_add(s->plan.index, &facts, state == OG_STATE_QUEUED ? OG_WHERE_LANE : OG_WHERE_TIER);
		e->placed_at = og_clock_mono_ms();
		e->recorded = true;
	}
}

static void over(struct og_scheduler *s)
{
	s->term->loading = false;
	og_leader_open_queues(s);
	if (s->term && s->term->opened)
		og_scheduler_arm_due(s);
}

static void on_page(void *ctx, const struct og_redis_reply *reply, const struct og_error *err)
{
	struct page *p = ctx;
	struct og_scheduler *s = p->s;
	const struct og_redis_reply *last;
	int64_t from;

	if (!s->term || s->term->serial != p->term) {
		free(p);
		return;
	}
	if (!reply)
		og_warn("the records could not all be read: the lanes will tell the rest", "why=\"%s\"", err->message);
	for (size_t i = 0; reply && i < reply->n; i++)
		take_row(s, reply->items[i]);
	last = reply && reply->n == OG_PAGE_JOBS ? reply->items[reply->n - 1] : NULL;
	if (last) {
		/* The next page begins with the same millisecond: ids are told twice rather than missed. */
		from = og_record_number(last, 1);
		p->from = from > p->from ? from : p->from + 1;
		if (ask(p))
			return;
	}
	free(p);
	over(s);
}

static bool ask(struct page *p)
{
	return og_records_page(p->s, p->from, on_page, p) == 0;
}

void og_loader_begin(struct og_scheduler *s)
{
	struct page *p = og_new(struct page);

	*p = (struct page){.s = s, .term = s->term->serial};
	s->term->loading = true;
	if (!ask(p)) {
		free(p);
		over(s);
	}
}
