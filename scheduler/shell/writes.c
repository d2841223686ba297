/* Why together: in Redis a call of a script costs as much again as what it does for one job, and half of that is the
 * same for all of them (docs/PERFORMANCE.md). */
#include "shell/writes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "shell/scripts.h"

#define HOLD_MS   10
#define MOVES_MAX 64                /* of a call: Redis does nothing else meanwhile, for some milliseconds */
#define BYTES_MAX ((size_t)1 << 20) /* one move may be beyond it, with its body */

/* Those of one call. */
struct og_writes {
	char *text; /* the arguments, one behind the other */
	size_t len, room;
	size_t lens[MOVES_MAX * (OG_ARGS_MAX + 1)];
	size_t n_lens;
	struct {
		og_redis_cb *cb;
		void *ctx;
	} moves[MOVES_MAX];
	size_t n;
};

static void writes_free(struct og_writes *w)
{
	free(w->text);
	free(w);
}

static void fail(struct og_writes *w, const struct og_error *err)
{
	for (size_t i = 0; i < w->n; i++)
		w->moves[i].cb(w->moves[i].ctx, NULL, err);
	writes_free(w);
}

static void on_answer(void *ctx, const struct og_redis_reply *reply, const struct og_error *err)
{
	struct og_writes *w = ctx;
	bool each = reply && reply->type == OG_REPLY_ARRAY && reply->n == w->n;

	if (!reply) {
		fail(w, err);
		return;
	}
	for (size_t i = 0; i < w->n; i++) {
		const struct og_redis_reply *own = each ? reply->items[i] : reply;
		struct og_error failed = {0};

		if (own->type == OG_REPLY_ERROR)
			og_fail(&failed, og_redis_error_kind(own->str), "%s: %s", og_script_move.name, own->str);
		w->moves[i].cb(w->moves[i].ctx, failed.kind ? NULL : own, failed.kind ? &failed : NULL);
	}
	writes_free(w);
}

int og_writes_send(struct og_scheduler *s)
{
	struct og_writes *w = s->writes;
	og_autofree const char **argv = NULL;
	og_autofree size_t *lens = NULL;
	const char *at;
	struct og_args a;

	if (!w)
		return 0;
	og_args_begin(s, &a);
	og_args_add_number(&a, s->term->epoch);
	og_args_add_number(&a, s->settings->result_ttl_ms / 1000);
	og_args_add_number(&a, s->settings->result_max_bytes);
	argv = og_alloc(((size_t)a.n + w->n_lens) * sizeof(*argv));
	lens = og_alloc(((size_t)a.n + w->n_lens) * sizeof(*lens));
	memcpy(argv, a.argv, (size_t)a.n * sizeof(*argv));
	memcpy(lens, a.lens, (size_t)a.n * sizeof(*lens));
	memcpy(lens + a.n, w->lens, w->n_lens * sizeof(*lens));
	at = w->text;
	for (size_t i = 0; i < w->n_lens; at += w->lens[i++])
		argv[(size_t)a.n + i] = at;
	if (og_redis_eval(s->redis, &og_script_move, 1, a.n + (int)w->n_lens, argv, lens, on_answer, w, NULL) != 0)
		return -1;
	s->writes = NULL;
	uv_timer_stop(&s->writes_due);
	return 0;
}

void og_writes_drop(struct og_scheduler *s)
{
	struct og_writes *w = OG_TAKE(s->writes);
	struct og_error err = {0};

	uv_timer_stop(&s->writes_due);
	if (!w)
		return;
	og_fail(&err, OG_RETRY, "Redis took no more of what jobs did");
	fail(w, &err);
}

static void on_due(uv_timer_t *timer)
{
	struct og_scheduler *s = timer->data;

	if (og_writes_send(s) != 0)
		og_writes_drop(s);
}

static void add(struct og_writes *w, const char *bytes, size_t len)
{
	if (w->len + len > w->room) {
		w->room = 2 * (w->len + len);
		w->text = og_realloc(w->text, w->room);
	}
	memcpy(w->text + w->len, bytes, len);
	w->len += len;
	w->lens[w->n_lens++] = len;
}

int og_writes_add(struct og_scheduler *s, const struct og_args *move, og_redis_cb *cb, void *ctx)
{
	struct og_writes *w = s->writes;
	char n[12];

	if (!og_redis_is_up(s->redis) || (w && (w->n == MOVES_MAX || w->len >= BYTES_MAX) && og_writes_send(s) != 0))
		return -1;
	if (!s->writes) {
		s->writes = og_new(struct og_writes);
		uv_update_time(s->loop); /* libuv counts from when this turn began */
		uv_timer_start(&s->writes_due, on_due, HOLD_MS, 0);
	}
	w = s->writes;
	snprintf(n, sizeof(n), "%d", move->n);
	add(w, n, strlen(n));
	for (int i = 0; i < move->n; i++)
		add(w, move->argv[i], move->lens[i]);
	w->moves[w->n].cb = cb;
	w->moves[w->n++].ctx = ctx;
	return 0;
}

bool og_writes_waiting(const struct og_scheduler *s)
{
	return s->writes;
}

void og_writes_open(struct og_scheduler *s)
{
	uv_timer_init(s->loop, &s->writes_due);
	s->writes_due.data = s;
}

void og_writes_close(struct og_scheduler *s)
{
	og_writes_drop(s);
	uv_close((uv_handle_t *)&s->writes_due, NULL);
}
