#include "shell/orders.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "shell/control.h"
#include "shell/lanes.h"
#include "shell/records.h"

#define TIER        "tier:"
#define NODE        "node:"
#define PREFIX_LEN  (sizeof(TIER) - 1)
#define AGAIN_MS    2000 /* a node that does not drain yet is told again after so long */
#define ORDERS_MAX  10000
#define PAUSED_WORD "paused"

struct og_order {
	UT_hash_handle hh;      /* by field */
	bool on, seen;          /* seen: Redis has it; while what Redis has is read */
	int64_t told_at;        /* monotonic, of a drain */
	char name[OG_NAME_MAX]; /* of a node */
	char field[PREFIX_LEN + OG_NAME_MAX];
};

static struct og_order *find(const struct og_scheduler *s, const char *prefix, const char *id)
{
	char field[PREFIX_LEN + OG_NAME_MAX];
	struct og_order *o;

	snprintf(field, sizeof(field), "%s%s", prefix, id);
	HASH_FIND_STR(s->term->orders, field, o);
	return o;
}

/* NULL: there are too many. */
static struct og_order *take(struct og_scheduler *s, const char *prefix, const char *id, const char *name)
{
	struct og_order *o = find(s, prefix, id);

	if (!o && HASH_COUNT(s->term->orders) >= ORDERS_MAX)
		return NULL;
	if (!o) {
		o = og_new(struct og_order);
		snprintf(o->field, sizeof(o->field), "%s%s", prefix, id);
		HASH_ADD_STR(s->term->orders, field, o);
	}
	if (name != o->name)
		snprintf(o->name, sizeof(o->name), "%s", name);
	return o;
}

static const struct og_tier *tier_of(const struct og_scheduler *s, const struct og_order *o)
{
	const char *id = o->field + PREFIX_LEN;

	for (size_t i = 0; !strncmp(o->field, TIER, PREFIX_LEN) && i < s->catalogue->n; i++)
		if (!strcmp(s->catalogue->tiers[i].id, id))
			return &s->catalogue->tiers[i];
	return NULL;
}

static void write_order(struct og_scheduler *s, const struct og_order *o)
{
	og_records_order(s, o->field, o->on ? *o->name ? o->name : PAUSED_WORD : "");
}

/* --- reading --- */

struct load {
	struct og_scheduler *s;
	uint64_t term;
};

static void learn(struct og_scheduler *s, const char *field, const char *name)
{
	bool is_tier = !strncmp(field, TIER, PREFIX_LEN);
	struct og_order *o;
	const struct og_tier *t;

	if (!is_tier && strncmp(field, NODE, PREFIX_LEN) != 0)
		return;
	o = find(s, is_tier ? TIER : NODE, field + PREFIX_LEN);
	if (!o) {
		o = take(s, is_tier ? TIER : NODE, field + PREFIX_LEN, is_tier ? "" : name);
		if (!o)
			return;
		o->on = true;
		if (!is_tier)
			og_nodes_drain(&s->plan.nodes, o->field + PREFIX_LEN, true);
		t = tier_of(s, o);
		if (t)
			og_plan_pause(&s->plan, (unsigned)(t - s->catalogue->tiers), true, og_clock_mono_ms());
	}
	o->seen = true;
}

static void on_orders(void *ctx, const struct og_redis_reply *reply, const struct og_error *err)
{
	struct load l = *(struct load *)ctx;
	struct og_scheduler *s = l.s;
	struct og_order *o, *tmp;

	(void)err; /* read again when Redis is back */
	free(ctx);
	if (!reply || !s->term || s->term->serial != l.term)
		return;
	for (o = s->term->orders; o; o = o->hh.next)
		o->seen = false;
	for (size_t i = 0; i + 1 < reply->n; i += 2) {
		const char *field = og_record_text(reply, i), *name = og_record_text(reply, i + 1);

		if (field && name)
			learn(s, field, name);
	}
	HASH_ITER(hh, s->term->orders, o, tmp)
	{
		if (o->on != o->seen)
			write_order(s, o);
	}
}

void og_orders_load(struct og_scheduler *s)
{
	struct load *l = og_new(struct load);

	*l = (struct load){.s = s, .term = s->term->serial};
	if (og_records_orders(s, on_orders, l) != 0)
		free(l);
}

void og_orders_drop(struct og_scheduler *s)
{
	struct og_order *o, *tmp;

	HASH_ITER(hh, s->term->orders, o, tmp)
	{
		HASH_DEL(s->term->orders, o);
		free(o);
	}
}

/* --- ordering --- */

void og_order_pause(struct og_scheduler *s, unsigned tier, bool paused)
{
	struct og_order *o = take(s, TIER, s->catalogue->tiers[tier].id, "");

	og_info(paused ? "a tier is paused" : "a tier is resumed", "tier=%s", s->catalogue->tiers[tier].id);
	og_plan_pause(&s->plan, tier, paused, og_clock_mono_ms());
	if (o) {
		o->on = paused;
		write_order(s, o);
	}
	if (!paused)
		og_lanes_pump(s, tier);
}

void og_order_drain(struct og_scheduler *s, const char *node_id, const char *name, bool drained)
{
	struct og_order *o = take(s, NODE, node_id, name);
	char quoted[OG_NAME_MAX];

	og_info(drained ? "a node is drained" : "a node is drained no more", "node=%s name=%s", node_id,
		og_log_quote(name, quoted, sizeof(quoted)));
	og_control_node(s, drained ? OG_T_DRAIN : OG_T_UNDRAIN, node_id);
	og_nodes_drain(&s->plan.nodes, node_id, drained);
	if (o) {
		o->on = drained;
		o->told_at = og_clock_mono_ms();
		write_order(s, o);
	}
}

const char *og_orders_find_node(const struct og_scheduler *s, const char *id_or_name, const char **ret_name)
{
	for (const struct og_order *o = s->term->orders; o; o = o->hh.next) {
		if (!o->on || strncmp(o->field, NODE, PREFIX_LEN) != 0 ||
			(strcmp(o->field + PREFIX_LEN, id_or_name) != 0 && strcmp(o->name, id_or_name) != 0))
			continue;
		*ret_name = o->name;
		return o->field + PREFIX_LEN;
	}
	return NULL;
}

void og_orders_heard(struct og_scheduler *s, const struct og_worker *w, int64_t now)
{
	struct og_order *o = w->said.serve && !w->said.draining ? find(s, NODE, w->node->id) : NULL;

	if (!o || !o->on || now - o->told_at < AGAIN_MS)
		return;
	o->told_at = now;
	og_nodes_drain(&s->plan.nodes, w->node->id, true);
	og_control_node(s, OG_T_DRAIN, w->node->id);
}
