#include "plan/choose.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "base/alloc.h"
#include "plan/admit.h"

/* --- sessions --- */

struct session {
	UT_hash_handle hh; /* in the order of their last use */
	char instance[OG_ID_LEN + 1];
	char key[]; /* tenant, NUL, session */
};

struct og_sessions {
	struct session *table;
	size_t cap;
};

struct og_sessions *og_sessions_new(size_t cap)
{
	struct og_sessions *s = og_new(struct og_sessions);

	s->cap = cap;
	return s;
}

static void drop(struct og_sessions *s, struct session *x)
{
	HASH_DEL(s->table, x);
	free(x);
}

void og_sessions_free(struct og_sessions *s)
{
	struct session *x, *tmp;

	if (!s)
		return;
	HASH_ITER(hh, s->table, x, tmp)
	drop(s, x);
	free(s);
}

/* Both are at most OG_NAME_MAX - 1 bytes long, as headers are; what is longer is cut. */
static size_t make_key(const char *tenant, const char *session, char ret[static 2 * OG_NAME_MAX])
{
	size_t t = strnlen(tenant, OG_NAME_MAX - 1), n = strnlen(session, OG_NAME_MAX - 1);

	memcpy(ret, tenant, t);
	ret[t] = '\0';
	memcpy(ret + t + 1, session, n);
	return t + 1 + n;
}

static struct session *find_session(const struct og_sessions *s, const char *tenant, const char *session)
{
	char key[2 * OG_NAME_MAX];
	size_t len = make_key(tenant, session, key);
	struct session *x;

	HASH_FIND(hh, s->table, key, len, x);
	return x;
}

void og_plan_remember_session(
	struct og_plan *p, const char *tenant, const char *session, const struct og_worker *worker)
{
	struct og_sessions *s = p->sessions;
	char key[2 * OG_NAME_MAX];
	size_t len = make_key(tenant, session, key);
	struct session *x = find_session(s, tenant, session);

	if (x)
		HASH_DEL(s->table, x);
	else
		x = og_alloc(sizeof(*x) + len);
	if (HASH_COUNT(s->table) >= s->cap)
		drop(s, s->table);
	memcpy(x->key, key, len);
	strcpy(x->instance, worker->said.instance);
	HASH_ADD_KEYPTR(hh, s->table, x->key, len, x);
}

/* --- workers --- */

bool og_node_in_list(const char *list, const char *node)
{
	size_t len = strlen(node);

	while (list) {
		const char *comma = strchr(list += strspn(list, " "), ',');
		size_t n = comma ? (size_t)(comma - list) : strlen(list);

		while (n && list[n - 1] == ' ')
			n--;
		if (n && n == len && !memcmp(list, node, n))
			return true;
		list = comma ? comma + 1 : NULL;
	}
	return false;
}

bool og_worker_allowed(const struct og_worker *w, const struct og_wish *wish)
{
	return !og_node_in_list(wish->avoid, w->said.node_id) && !og_node_in_list(wish->avoid, w->said.node_name) &&
	       (!wish->region || !strcmp(wish->region, w->said.region));
}

static bool takes_work(const struct og_plan *p, const struct og_worker *w)
{
	return og_worker_takes_work(w) && w->key[0] && !og_worker_open(p, w);
}

struct look {
	struct og_worker *best; /* with a free slot; NULL: none has one */
	bool any;               /* there is one at all */
};

/* The fastest of those that are allowed, with `fresh` only those of nodes that did not try it, with `idle` only those
 * that run nothing. */
static struct look look_for(const struct og_plan *p, unsigned tier, const struct og_wish *wish, bool fresh, bool idle)
{
	struct look l = {0};

	for (struct og_worker *w = p->nodes.of_tier[tier]; w; w = w->next) {
		if (!og_worker_allowed(w, wish) || !takes_work(p, w) ||
			(fresh && og_node_in_list(wish->tried, w->said.node_id)))
			continue;
		l.any = true;
		if (!og_worker_free_slots(w) || (idle && (w->running || w->reserved)))
			continue;
		if (!l.best || w->said.tokens_per_s > l.best->said.tokens_per_s)
			l.best = w;
	}
	return l;
}

static struct og_worker *worker_of_session(
	const struct og_plan *p, const struct og_entry *e, const struct og_wish *wish)
{
	const struct session *x = find_session(p->sessions, e->tenant->text, wish->session);
	struct og_worker *w = x ? og_nodes_find(&p->nodes, x->instance) : NULL;
	bool fits = w && w->tier == e->tier && takes_work(p, w) && og_worker_allowed(w, wish) &&
	            !og_node_in_list(wish->tried, w->said.node_id);

	return fits ? w : NULL;
}

/* --- the choice --- */

static bool may_wait(struct og_entry *e, int64_t ms, int64_t now)
{
	if (now - e->hold_from >= ms)
		return false;
	e->hold_until = now + OG_LOOK_MS;
	return true;
}

/* No wish is left that could be given up. */
static enum og_choice choose_any(
	struct og_plan *p, struct og_entry *e, const struct og_wish *wish, int64_t now, struct og_worker **ret)
{
	struct look l;

	if (!wish->avoid && !wish->region)
		return OG_CHOICE_ANY;
	l = look_for(p, e->tier, wish, false, false);
	if (l.best) {
		*ret = l.best;
		return OG_CHOICE_WORKER;
	}
	if (may_wait(e, l.any ? INT64_MAX : p->no_capacity_after_ms, now))
		return OG_CHOICE_LATER;
	return OG_CHOICE_NONE;
}

static enum og_choice choose_elsewhere(
	struct og_plan *p, struct og_entry *e, const struct og_wish *wish, int64_t now, struct og_worker **ret)
{
	struct look l = look_for(p, e->tier, wish, true, wish->alone);

	if (wish->alone && !l.best)
		l = look_for(p, e->tier, wish, true, false);
	if (l.best) {
		*ret = l.best;
		return OG_CHOICE_WORKER;
	}
	if (l.any && may_wait(e, OG_ELSEWHERE_MS, now))
		return OG_CHOICE_LATER;
	return choose_any(p, e, wish, now, ret);
}

enum og_choice og_plan_choose(
	struct og_plan *p, struct og_entry *e, const struct og_wish *wish, int64_t now, struct og_worker **ret)
{
	struct og_worker *home = wish->session && e->tenant ? worker_of_session(p, e, wish) : NULL;

	if (!e->hold_from)
		e->hold_from = now;
	if (home && !wish->alone) {
		if (og_worker_free_slots(home)) {
			*ret = home;
			return OG_CHOICE_WORKER;
		}
		if (may_wait(e, p->affinity_wait_ms, now))
			return OG_CHOICE_LATER;
	}
	if (wish->tried || wish->alone)
		return choose_elsewhere(p, e, wish, now, ret);
	return choose_any(p, e, wish, now, ret);
}
