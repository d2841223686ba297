#include "plan/index.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/alloc.h"
#include "plan/heap.h"
#include "plan/nodes.h"
#include "plan/replies.h"

struct og_index *og_index_new(size_t n_tiers)
{
	struct og_index *ix = og_new(struct og_index);

	og_slab_init(&ix->entries, sizeof(struct og_entry));
	ix->n_tiers = n_tiers;
	ix->tiers = og_alloc(n_tiers * sizeof(*ix->tiers));
	return ix;
}

static const struct og_name *name_take(struct og_index *ix, const char *text)
{
	size_t len = strlen(text);
	struct og_name *n;

	HASH_FIND(hh, ix->names, text, len, n);
	if (!n) {
		n = og_alloc(sizeof(*n) + len + 1);
		memcpy(n->text, text, len);
		HASH_ADD_KEYPTR(hh, ix->names, n->text, len, n);
	}
	n->refs++;
	return n;
}

static void name_drop(struct og_index *ix, const struct og_name *name)
{
	struct og_name *n = (struct og_name *)name;

	if (!n || --n->refs)
		return;
	HASH_DEL(ix->names, n);
	free(n);
}

struct og_lane *og_index_lane(struct og_index *ix, unsigned tier, enum og_class class, unsigned lane)
{
	return &ix->tiers[tier].lanes[class][lane];
}

static struct og_lane *lane_of(struct og_index *ix, const struct og_entry *e)
{
	return og_index_lane(ix, e->tier, e->class, e->lane);
}

/* What an entry counts for where it is. */
static void count(struct og_index *ix, const struct og_entry *e, int sign)
{
	struct og_tier_index *t = &ix->tiers[e->tier];
	unsigned one = (unsigned)sign;
	uint64_t bytes = (uint64_t)sign * e->bytes;

	if (e->reply && e->where != OG_WHERE_CHECK && e->where != OG_WHERE_ENDED)
		og_reply_waits(e->reply, e, sign);
	if (e->astray)
		return;
	og_flow_count(ix, e, sign);
	if (og_entry_placed(e)) {
		t->placed += one;
		t->placed_of[e->class] += one;
		ix->placed += (size_t)sign;
		if (e->where == OG_WHERE_RUN && e->worker)
			e->worker->running += one;
		else if (e->meant)
			e->meant->reserved += one;
		return;
	}
	if (e->where == OG_WHERE_ENDED)
		ix->waiting_bytes += bytes;
	if (!og_entry_waits(e))
		return;
	t->waiting[e->class] += one;
	ix->waiting += (size_t)sign;
	ix->waiting_bytes += bytes;
	t->waiting_bytes += bytes;
	if (e->where == OG_WHERE_DOOR) {
		t->at_door[e->class] += one;
		ix->at_door += (size_t)sign;
		ix->door_bytes += bytes;
	} else {
		lane_of(ix, e)->waiting += one;
	}
}

/* The list for where it is; NULL: none. */
static struct og_entry **list_of(struct og_index *ix, const struct og_entry *e)
{
	struct og_tier_index *t = &ix->tiers[e->tier];

	if (e->where == OG_WHERE_DOOR)
		return &t->door[e->class];
	if (og_entry_waits(e))
		return &lane_of(ix, e)->list;
	return og_entry_placed(e) ? &t->placed_list : NULL;
}

static void arrive(struct og_index *ix, struct og_entry *e)
{
	count(ix, e, 1);
	if (e->deadline_ms && e->where != OG_WHERE_CHECK && e->where != OG_WHERE_ENDED)
		og_heap_put(ix, e);
}

static void enter(struct og_index *ix, struct og_entry *e)
{
	struct og_entry **list = list_of(ix, e);

	if (list)
		DL_APPEND(*list, e);
	arrive(ix, e);
}

static void leave(struct og_index *ix, struct og_entry *e)
{
	struct og_entry **list = list_of(ix, e);

	count(ix, e, -1);
	if (list)
		DL_DELETE(*list, e);
	e->astray = false;
	og_heap_take(ix, e);
}

struct og_entry *og_index_find(const struct og_index *ix, const char *id)
{
	struct og_entry *e;

	HASH_FIND(hh, ix->by_id, id, strlen(id), e);
	return e;
}

static void fill(struct og_index *ix, struct og_entry *e, const struct og_facts *f)
{
	const char *random = f->reply ? strchr(f->reply, '~') : NULL;

	e->tier = (uint16_t)f->tier;
	e->class = (uint8_t)f->class;
	e->accepted_ms = f->accepted_ms;
	e->deadline_ms = e->due_ms = f->deadline_ms;
	e->bytes = f->bytes;
	e->cost = og_job_cost(f->bytes, f->max_tokens);
	e->since = f->since;
	e->attempt = f->attempt;
	e->explicit_id = f->explicit_id;
	e->progress = f->progress;
	e->detach = f->detach;
	if (f->tenant) {
		e->tenant = name_take(ix, f->tenant);
		e->flow = og_flow_take(ix, f->tenant, e->tier);
		og_account_weigh(e->flow->account, f->weight);
		e->lane = (uint8_t)(f->lane ? f->lane - 1 : 0);
	}
	if (random) {
		char user[OG_NAME_MAX];

		snprintf(user, sizeof(user), "%.*s", (int)(random - f->reply), f->reply);
		e->submitter = name_take(ix, user);
		e->reply = og_reply_take(ix, f->reply);
		DL_APPEND2(e->reply->jobs, e, reply_prev, reply_next);
	}
}

static void drop_names(struct og_index *ix, struct og_entry *e)
{
	name_drop(ix, e->tenant);
	name_drop(ix, e->submitter);
	e->tenant = e->submitter = NULL;
	og_flow_drop(ix, OG_TAKE(e->flow));
	if (e->reply)
		DL_DELETE2(e->reply->jobs, e, reply_prev, reply_next);
	og_reply_drop(ix, OG_TAKE(e->reply));
}

/* Its turn among those that wait. */
static void number(struct og_index *ix, struct og_entry *e)
{
	e->seq = ix->tiers[e->tier].next_seq[e->class]++;
	if (e->flow)
		e->nth = e->flow->next_nth[e->class]++;
}

struct og_entry *og_index_add(struct og_index *ix, const struct og_facts *facts, enum og_where where)
{
	struct og_entry *e = og_slab_take(&ix->entries);

	snprintf(e->id, sizeof(e->id), "%s", facts->id);
	fill(ix, e, facts);
	e->where = (uint8_t)where;
	if (og_entry_waits(e))
		number(ix, e);
	HASH_ADD_KEYPTR(hh, ix->by_id, e->id, strlen(e->id), e);
	enter(ix, e);
	return e;
}

void og_index_fill(struct og_index *ix, struct og_entry *e, const struct og_facts *facts)
{
	leave(ix, e);
	drop_names(ix, e);
	fill(ix, e, facts);
	enter(ix, e);
}

/* What it was held for is over where it is placed, and whom it was meant for where it is not. */
static void settle(struct og_entry *e)
{
	if (og_entry_placed(e))
		e->hold_from = e->hold_until = 0;
	else
		e->meant = NULL;
}

void og_index_move(struct og_index *ix, struct og_entry *e, enum og_where where)
{
	bool waited = og_entry_waits(e);
	struct og_entry to = {.tier = e->tier, .class = e->class, .lane = e->lane, .where = (uint8_t)where};

	/* Within one list an entry keeps its place: TO_LANE → LANE, TIER ↔ RUN. */
	if (list_of(ix, e) && list_of(ix, e) == list_of(ix, &to)) {
		count(ix, e, -1);
		e->where = (uint8_t)where;
		count(ix, e, 1);
		return;
	}
	if (og_entry_placed(&to) && !og_entry_placed(e))
		og_flow_charge(ix, e);
	leave(ix, e);
	e->where = (uint8_t)where;
	settle(e);
	if (og_entry_waits(e) && !waited)
		number(ix, e);
	enter(ix, e);
}

void og_index_put_back(struct og_index *ix, struct og_entry *e)
{
	struct og_entry *later, **list;

	leave(ix, e);
	og_flow_refund(ix, e);
	e->where = OG_WHERE_LANE;
	settle(e);
	list = list_of(ix, e);
	DL_FOREACH(*list, later)
	{
		if (later->seq > e->seq)
			break;
	}
	DL_PREPEND_ELEM(*list, later, e); /* at the end where none is later */
	arrive(ix, e);
}

void og_index_set_astray(struct og_index *ix, struct og_entry *e, bool astray)
{
	count(ix, e, -1);
	e->astray = astray && (og_entry_waits(e) || og_entry_placed(e));
	count(ix, e, 1);
}

void og_index_set_worker(struct og_index *ix, struct og_entry *e, struct og_worker *w)
{
	count(ix, e, -1);
	e->worker = w;
	count(ix, e, 1);
}

void og_index_set_meant(struct og_index *ix, struct og_entry *e, struct og_worker *w)
{
	count(ix, e, -1);
	e->meant = w;
	count(ix, e, 1);
}

void og_index_remove(struct og_index *ix, struct og_entry *e)
{
	if (ix->walk_at == e)
		ix->walk_at = e->hh.next;
	leave(ix, e);
	og_index_unhold(ix, e);
	HASH_DEL(ix->by_id, e);
	drop_names(ix, e);
	free(e->alone);
	free(e->session);
	og_slab_give(&ix->entries, e);
}

void og_index_free(struct og_index *ix, void (*release)(struct og_entry *e))
{
	struct og_entry *e, *tmp;

	if (!ix)
		return;
	HASH_ITER(hh, ix->by_id, e, tmp)
	{
		if (release)
			release(e);
		og_index_remove(ix, e);
	}
	og_replies_free(ix);
	og_accounts_free(ix);
	og_slab_done(&ix->entries);
	free(ix->heap);
	free(ix->tiers);
	free(ix);
}

int og_index_hold(struct og_index *ix, struct og_entry *e, struct og_held *held)
{
	struct og_lane *l = lane_of(ix, e);
	unsigned place = l->n_heads;

	if (l->n_heads == OG_LANE_HEADS)
		return -1;
	while (place && l->heads[place - 1]->seq > e->seq)
		place--;
	memmove(&l->heads[place + 1], &l->heads[place], (l->n_heads - place) * sizeof(*l->heads));
	l->heads[place] = e;
	l->n_heads++;
	e->held = held;
	og_index_set_astray(ix, e, false);
	return 0;
}

struct og_held *og_index_unhold(struct og_index *ix, struct og_entry *e)
{
	struct og_lane *l = lane_of(ix, e);
	struct og_held *held = e->held;
	unsigned kept = 0;

	if (!held)
		return NULL;
	for (unsigned i = 0; i < l->n_heads; i++)
		if (l->heads[i] != e)
			l->heads[kept++] = l->heads[i];
	l->n_heads = kept;
	e->held = NULL;
	return held;
}

void og_index_choose_lane(struct og_entry *e)
{
	unsigned before = e->flow ? e->flow->waiting[e->class] : 0, k = 0;

	if (og_entry_waits(e) && before)
		before--; /* itself */
	while (k < OG_LANES - 1 && before + 1 >= 2u << k)
		k++;
	e->lane = (uint8_t)k;
}

struct og_entry *og_index_due(const struct og_index *ix, int64_t now_wall)
{
	return ix->heap_len && ix->heap[1]->due_ms <= now_wall ? ix->heap[1] : NULL;
}

void og_index_postpone(struct og_index *ix, struct og_entry *e, int64_t due_ms)
{
	e->due_ms = due_ms;
	if (e->heap_at)
		og_heap_put(ix, e);
}

int64_t og_index_next_due(const struct og_index *ix)
{
	return ix->heap_len ? ix->heap[1]->due_ms : INT64_MAX;
}

void og_entry_reply(const struct og_entry *e, char ret[static OG_KEY_MAX])
{
	snprintf(ret, OG_KEY_MAX, "%s", e->reply ? e->reply->text : "");
}

enum og_state og_entry_state(const struct og_entry *e)
{
	switch ((enum og_where)e->where) {
	case OG_WHERE_CHECK:
	case OG_WHERE_TO_LANE:
		return OG_STATE_ACCEPTED;
	case OG_WHERE_DOOR:
	case OG_WHERE_LANE:
	case OG_WHERE_RETRY:
		return OG_STATE_QUEUED;
	case OG_WHERE_RUN:
		return OG_STATE_RUNNING;
	case OG_WHERE_TO_TIER:
	case OG_WHERE_TIER:
	case OG_WHERE_ENDED:
		break;
	}
	return OG_STATE_PLACED;
}
