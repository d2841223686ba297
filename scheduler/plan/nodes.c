#include "plan/nodes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/alloc.h"

void og_nodes_init(struct og_nodes *n, const struct og_catalogue *catalogue)
{
	*n = (struct og_nodes){.catalogue = catalogue};
}

void og_nodes_done(struct og_nodes *n)
{
	struct og_worker *w, *tmp;

	HASH_ITER(hh, n->workers, w, tmp)
	og_nodes_remove(n, w);
}

bool og_worker_takes_work(const struct og_worker *w)
{
	return w->tier >= 0 && !w->said.draining && !w->said.paused && !w->node->drained;
}

unsigned og_worker_free_slots(const struct og_worker *w)
{
	unsigned taken = w->running + w->reserved;

	return og_worker_takes_work(w) && (int64_t)taken < w->said.slots ? (unsigned)w->said.slots - taken : 0;
}

/* What a worker adds to its tier. One that drains or is paused finishes what it has and takes nothing more. */
static void count(struct og_nodes *n, const struct og_worker *w, int sign)
{
	struct og_capacity *c;
	unsigned busy = (unsigned)w->said.n_running;

	if (w->tier < 0)
		return;
	c = &n->tiers[w->tier];
	c->workers += (unsigned)sign;
	c->slots += (unsigned)sign * (og_worker_takes_work(w) ? (unsigned)w->said.slots : busy);
	c->busy += (unsigned)sign * busy;
}

static struct og_node *find_node(const struct og_nodes *n, const char *id)
{
	struct og_node *node;

	HASH_FIND_STR(n->nodes, id, node);
	return node;
}

void og_nodes_drain(struct og_nodes *n, const char *node_id, bool drained)
{
	struct og_node *node = find_node(n, node_id);
	struct og_worker *w;

	if (!node || node->drained == drained)
		return;
	for (w = n->workers; w; w = w->hh.next)
		if (w->node == node)
			count(n, w, -1);
	node->drained = drained;
	for (w = n->workers; w; w = w->hh.next)
		if (w->node == node)
			count(n, w, 1);
}

static void leave_node(struct og_nodes *n, struct og_worker *w)
{
	struct og_node *node = w->node;
	bool served = node->serving;

	node->processes--;
	node->serving -= w->said.serve;
	w->node = NULL;
	if (!node->processes) {
		HASH_DEL(n->nodes, node);
		free(node);
		n->changes++;
	} else if (served != (node->serving > 0)) {
		n->changes++;
	}
}

static void join_node(struct og_nodes *n, struct og_worker *w, const char *user)
{
	const struct og_presence *p = &w->said;
	struct og_node *node = find_node(n, p->node_id);
	bool served;

	if (!node) {
		node = og_new(struct og_node);
		strcpy(node->id, p->node_id);
		snprintf(node->user, sizeof(node->user), "%s", user);
		HASH_ADD_STR(n->nodes, id, node);
		n->changes++;
	}
	served = node->serving;
	node->processes++;
	node->serving += p->serve;
	if (strcmp(node->name, p->node_name) != 0 || served != (node->serving > 0))
		n->changes++;
	strcpy(node->name, p->node_name);
	strcpy(node->region, p->region);
	w->node = node;
}

static int tier_of(const struct og_nodes *n, const struct og_presence *p)
{
	const struct og_tier *t = p->serve ? og_catalogue_find(n->catalogue, p->tier) : NULL;

	return t ? (int)(t - n->catalogue->tiers) : -1;
}

struct og_worker *og_nodes_find(const struct og_nodes *n, const char *instance)
{
	struct og_worker *w;

	HASH_FIND_STR(n->workers, instance, w);
	return w;
}

static bool has_free_slot(const struct og_worker *w)
{
	return og_worker_takes_work(w) && (int64_t)w->said.n_running < w->said.slots;
}

/* True where the heartbeat says nothing new about node, name, tier or service: nearly always. */
static bool same_place(const struct og_worker *w, const struct og_presence *p)
{
	return w->said.serve == p->serve && !strcmp(w->said.node_id, p->node_id) &&
	       !strcmp(w->said.node_name, p->node_name) && !strcmp(w->said.region, p->region) &&
	       !strcmp(w->said.tier, p->tier) && !strcmp(w->said.worker, p->worker);
}

static void leave_tier(struct og_nodes *n, struct og_worker *w)
{
	if (w->tier >= 0)
		DL_DELETE(n->of_tier[w->tier], w);
}

static void settle_in(struct og_nodes *n, struct og_worker *w, const char *user)
{
	w->tier = tier_of(n, &w->said);
	if (og_name_key(w->said.worker, w->key, sizeof(w->key), NULL))
		w->key[0] = '\0';
	if (w->tier >= 0)
		DL_APPEND(n->of_tier[w->tier], w);
	join_node(n, w, user);
}

bool og_nodes_may_say(const struct og_nodes *n, const struct og_presence *p, const char *user)
{
	const struct og_worker *w = og_nodes_find(n, p->instance);
	const struct og_node *node = find_node(n, p->node_id);

	return (!w || !strcmp(w->node->user, user)) && (!node || !strcmp(node->user, user));
}

static struct og_speaker *find_speaker(const struct og_nodes *n, const char *user)
{
	struct og_speaker *s;

	HASH_FIND_STR(n->speakers, user, s);
	return s;
}

static void speak(struct og_nodes *n, const char *user)
{
	struct og_speaker *s = find_speaker(n, user);

	if (!s) {
		s = og_new(struct og_speaker);
		snprintf(s->user, sizeof(s->user), "%s", user);
		HASH_ADD_STR(n->speakers, user, s);
	}
	s->workers++;
}

static void fall_silent(struct og_nodes *n, const char *user)
{
	struct og_speaker *s = find_speaker(n, user);

	if (s && !--s->workers) {
		HASH_DEL(n->speakers, s);
		free(s);
	}
}

static bool may_add(const struct og_nodes *n, const char *user)
{
	const struct og_speaker *s = find_speaker(n, user);

	return HASH_COUNT(n->workers) < OG_WORKERS_MAX && (!s || s->workers < OG_WORKERS_A_USER);
}

struct og_worker *og_nodes_hear(struct og_nodes *n, struct og_presence *p, const char *user, int64_t now,
	struct og_presence_run **ret_before, size_t *ret_n_before)
{
	struct og_worker *w = og_nodes_find(n, p->instance);
	bool same = w && same_place(w, p);

	*ret_before = NULL;
	*ret_n_before = 0;
	if (!w && !may_add(n, user)) {
		og_presence_done(p);
		return NULL;
	}
	if (!w) {
		w = og_new(struct og_worker);
		strcpy(w->said.instance, p->instance);
		HASH_ADD_STR(n->workers, said.instance, w);
		speak(n, user);
	} else {
		count(n, w, -1);
		if (!same) {
			leave_tier(n, w);
			leave_node(n, w);
		}
	}
	*ret_before = w->said.running;
	*ret_n_before = w->said.n_running;
	w->said = *p;
	*p = (struct og_presence){0};
	if (!same)
		settle_in(n, w, user);
	count(n, w, 1);
	w->seen = now;
	w->beats++;
	w->free_from = !has_free_slot(w) ? 0 : w->free_from ? w->free_from : now;
	if (w->tier >= 0)
		n->tiers[w->tier].seen = now;
	return w;
}

struct og_worker *og_nodes_lost(const struct og_nodes *n, int64_t now)
{
	for (struct og_worker *w = n->workers; w; w = w->hh.next)
		if (now - w->seen > OG_PRESENCE_LOST_MS)
			return w;
	return NULL;
}

void og_nodes_remove(struct og_nodes *n, struct og_worker *w)
{
	count(n, w, -1);
	leave_tier(n, w);
	fall_silent(n, w->node->user);
	leave_node(n, w);
	HASH_DEL(n->workers, w);
	og_presence_done(&w->said);
	free(w);
}

struct og_worker *og_nodes_named(const struct og_nodes *n, unsigned tier, const char *worker, const char *user)
{
	for (struct og_worker *w = n->of_tier[tier]; w && worker && user; w = w->next)
		if (!strcmp(w->said.worker, worker) && !strcmp(w->node->user, user))
			return w;
	return NULL;
}

size_t og_nodes_members(const struct og_nodes *n, struct og_member *out, size_t max)
{
	size_t i = 0;

	for (const struct og_node *node = n->nodes; node && i < max; node = node->hh.next, i++) {
		strcpy(out[i].id, node->id);
		strcpy(out[i].name, node->name);
		out[i].serve = node->serving > 0;
	}
	return HASH_COUNT(n->nodes);
}

int64_t og_nodes_free_from(const struct og_nodes *n, int tier)
{
	int64_t from = 0;

	for (const struct og_worker *w = tier >= 0 ? n->of_tier[tier] : NULL; w; w = w->next)
		if (w->free_from && (!from || w->free_from < from))
			from = w->free_from;
	return from;
}

struct og_worker *og_nodes_namesake(const struct og_nodes *n, const struct og_worker *w)
{
	if (!w->key[0])
		return NULL;
	for (struct og_worker *o = n->workers; o; o = o->hh.next)
		if (o != w && !strcmp(o->key, w->key))
			return o;
	return NULL;
}
