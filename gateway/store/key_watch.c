#include "store/key_watch.h"

#include <stdio.h>
#include <stdlib.h>
#include <uthash.h>
#include <utlist.h>

#include "base/alloc.h"
#include "store/key_read.h"
#include "store/scripts.h"
#include "store/store_state.h"

#define LOOK_AT_MAX 500 /* keys a question */

struct og_watched_key {
	UT_hash_handle hh;
	char id[OG_KEY_ID_LEN + 1];
	struct og_key_watches *all;
	struct og_key_watch *watches;
	bool telling; /* who is told may end the last watch, and it is needed until then */
};

struct og_key_watches {
	struct og_watched_key *keys; /* by id */
	uv_timer_t timer;
	uint64_t looks;
	unsigned asked; /* questions that are not answered yet */
};

/* ── who watches ── */

static void key_free(struct og_watched_key *k)
{
	HASH_DEL(k->all->keys, k);
	free(k);
}

void og_key_watch(struct og_key_watch *w, struct og_gateway_store *s, const char *id, og_key_watch_cb *cb, void *ctx)
{
	struct og_watched_key *k;

	HASH_FIND_STR(s->watches->keys, id, k);
	if (!k) {
		k = og_new(struct og_watched_key);
		k->all = s->watches;
		snprintf(k->id, sizeof(k->id), "%s", id);
		HASH_ADD_STR(s->watches->keys, id, k);
	}
	*w = (struct og_key_watch){.of = k, .cb = cb, .ctx = ctx, .told = s->watches->looks};
	DL_APPEND(k->watches, w);
}

void og_key_unwatch(struct og_key_watch *w)
{
	struct og_watched_key *k = OG_TAKE(w->of);

	if (!k)
		return;
	DL_DELETE(k->watches, w);
	if (!k->watches && !k->telling)
		key_free(k);
}

/* ── looks ── */

/* Each once, whoever comes or goes meanwhile: those that have been told stand at the end. */
static void tell(struct og_watched_key *k, struct og_key *key, const struct og_error *why)
{
	uint64_t look = k->all->looks;
	struct og_key_watch *w;

	k->telling = true;
	while ((w = k->watches) && w->told != look) {
		w->told = look;
		DL_DELETE(k->watches, w);
		DL_APPEND(k->watches, w);
		w->cb(w->ctx, key, why);
	}
	k->telling = false;
	if (!k->watches)
		key_free(k);
}

struct look {
	struct og_key_watches *all;
	size_t n;
	char ids[LOOK_AT_MAX][OG_KEY_ID_LEN + 1];
};

static void tell_of(struct og_key_watches *all, const char *id, const struct og_redis_reply *row)
{
	struct og_key *key = og_key_read(row);
	struct og_error gone = {0};
	struct og_watched_key *k;

	if (!key)
		og_error_set(&gone, OG_INVALID, "this API key was revoked");
	else if (og_key_check_expiry(key, &gone) < 0)
		og_key_drop(OG_TAKE(key));
	HASH_FIND_STR(all->keys, id, k);
	if (k)
		tell(k, key, key ? NULL : &gone);
	og_key_drop(key);
}

static void on_answer(void *ctx, const struct og_redis_reply *reply, const struct og_error *err)
{
	struct look *l = ctx;

	l->all->asked--;
	for (size_t i = 0; !err && reply->type == OG_REPLY_ARRAY && i < reply->n && i < l->n; i++)
		tell_of(l->all, l->ids[i], reply->items[i]);
	free(l);
}

static void ask(struct og_gateway_store *s, struct look *l)
{
	const char *argv[LOOK_AT_MAX + 2];
	char now[24];

	argv[0] = s->prefix;
	argv[1] = og_store_clock(s, now);
	for (size_t i = 0; i < l->n; i++)
		argv[i + 2] = l->ids[i];
	if (og_redis_eval(s->redis, &og_script_keys_now, 1, (int)l->n + 2, argv, NULL, on_answer, l, NULL) == 0)
		l->all->asked++;
	else
		free(l); /* at the next look */
}

static void on_look(uv_timer_t *timer)
{
	struct og_gateway_store *s = timer->data;
	struct og_key_watches *all = s->watches;
	struct og_watched_key *k, *tmp;
	struct look *l = NULL;

	if (!s->up || all->asked)
		return;
	all->looks++;
	HASH_ITER(hh, all->keys, k, tmp)
	{
		if (!l)
			l = og_new(struct look);
		l->all = all;
		memcpy(l->ids[l->n++], k->id, sizeof(k->id));
		if (l->n == LOOK_AT_MAX)
			ask(s, OG_TAKE(l));
	}
	if (l)
		ask(s, l);
}

void og_key_watch_now(struct og_gateway_store *s)
{
	uv_timer_start(&s->watches->timer, on_look, 0, (uint64_t)s->config.look_ms);
}

/* ── life ── */

struct og_key_watches *og_key_watches_new(struct og_gateway_store *s)
{
	struct og_key_watches *all = og_new(struct og_key_watches);

	uv_timer_init(s->loop, &all->timer);
	all->timer.data = s;
	uv_timer_start(&all->timer, on_look, (uint64_t)s->config.look_ms, (uint64_t)s->config.look_ms);
	return all;
}

void og_key_watches_close(struct og_key_watches *all, uv_close_cb cb)
{
	uv_close((uv_handle_t *)&all->timer, cb);
}

void og_key_watches_free(struct og_key_watches *all)
{
	struct og_watched_key *k, *tmp;
	struct og_key_watch *w;

	HASH_ITER(hh, all->keys, k, tmp)
	{
		DL_FOREACH(k->watches, w)
		{
			w->of = NULL;
		}
		key_free(k);
	}
	free(all);
}
