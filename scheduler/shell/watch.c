#include "shell/watch.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/alloc.h"
#include "plan/replies.h"
#include "shell/control.h"
#include "shell/letter.h"
#include "shell/rpc.h"

struct og_watcher {
	struct og_watcher *next;
	struct og_reply *reply;
	char question[OG_ID_LEN + 1]; /* "": a second submit, or an attach */
	bool waits;                   /* it counts for its reply key */
	bool streams;                 /* it wants the chunks */
	bool quiet;                   /* the submitter's own: the `done` comes there by itself */
	uint32_t from_attempt;        /* the attempt whose chunks it has some of; 0: none */
	int64_t from;
	int64_t attempt, run; /* that it is attached to; attempt 0: none yet */
};

static struct og_watcher *find(const struct og_entry *e, const char *reply, unsigned *ret_n)
{
	struct og_watcher *w;
	unsigned n = 0;

	LL_FOREACH(e->watchers, w)
	{
		if (!strcmp(w->reply->text, reply))
			return w;
		n++;
	}
	*ret_n = n;
	return NULL;
}

static void drop(struct og_scheduler *s, struct og_entry *e, struct og_watcher *w)
{
	LL_DELETE(e->watchers, w);
	s->term->n_watchers--;
	s->term->n_streams -= w->streams;
	w->reply->waits -= w->waits;
	og_reply_drop(s->plan.index, w->reply);
	free(w);
}

/* A producer on a bad line comes with a new reply key each time: those that nobody reads any more make room. */
static bool drop_one_that_is_gone(struct og_scheduler *s, struct og_entry *e)
{
	struct og_watcher *w;

	LL_FOREACH(e->watchers, w)
	{
		if (w->reply->gone_since) {
			drop(s, e, w);
			return true;
		}
	}
	return false;
}

static struct og_watcher *take(struct og_scheduler *s, struct og_entry *e, const char *reply)
{
	unsigned n = 0;
	struct og_watcher *w = find(e, reply, &n);

	if (w)
		return w;
	if ((n == OG_WATCHERS_A_JOB || s->term->n_watchers == OG_WATCHERS_MAX) && !drop_one_that_is_gone(s, e))
		return NULL;
	w = og_new(struct og_watcher);
	w->reply = og_reply_take(s->plan.index, reply);
	w->waits = !e->detach;
	w->reply->waits += w->waits;
	LL_PREPEND(e->watchers, w);
	s->term->n_watchers++;
	return w;
}

static bool is_own(const struct og_entry *e, const char *reply)
{
	return e->reply && !strcmp(e->reply->text, reply);
}

void og_watch(struct og_scheduler *s, struct og_entry *e, const char *reply, const char *question)
{
	struct og_watcher *w = question || !is_own(e, reply) ? take(s, e, reply) : NULL;

	if (is_own(e, reply))
		e->left = false;
	if (w)
		strcpy(w->question, question ? question : "");
}

/* --- chunks --- */

static void attach_to(
	struct og_scheduler *s, const struct og_worker *worker, struct og_watcher *w, const struct og_presence_run *r)
{
	const struct og_envelope about = {.type = OG_T_ATTACH,
		.id = r->id,
		.reply_to = w->reply->text,
		.seq = w->from_attempt == r->attempt ? w->from : 0};

	w->attempt = r->attempt;
	w->run = r->run;
	w->from_attempt = 0; /* of another run it has nothing */
	og_control_worker(s, worker, &about);
}

static void attach_all(struct og_scheduler *s, struct og_entry *e, const struct og_presence_run *r)
{
	struct og_watcher *w;

	LL_FOREACH(e->watchers, w)
	{
		if (w->streams && (w->attempt != r->attempt || w->run != r->run))
			attach_to(s, e->worker, w, r);
	}
}

bool og_watch_attach(struct og_scheduler *s, struct og_entry *e, const char *reply, int64_t from)
{
	struct og_watcher *w = take(s, e, reply);

	if (!w)
		return false;
	if (is_own(e, reply))
		e->left = false;
	s->term->n_streams += !w->streams;
	w->streams = true;
	w->quiet = is_own(e, reply) && !*w->question;
	w->from = from;
	w->from_attempt = e->attempt;
	w->attempt = 0;
	if (e->worker)
		og_watch_runs(s, e->worker);
	return true;
}

void og_watch_runs(struct og_scheduler *s, const struct og_worker *worker)
{
	for (size_t i = 0; s->term->n_streams && i < worker->said.n_running; i++) {
		const struct og_presence_run *r = &worker->said.running[i];
		struct og_entry *e = og_index_find(s->plan.index, r->id);

		if (e && e->worker == worker)
			attach_all(s, e, r);
	}
}

void og_watch_leave(struct og_scheduler *s, struct og_entry *e, const char *reply)
{
	unsigned n;
	struct og_watcher *w = find(e, reply, &n);

	if (w)
		drop(s, e, w);
	if (is_own(e, reply))
		e->left = true;
}

bool og_watch_is_wanted(const struct og_entry *e)
{
	const struct og_watcher *w;

	if (e->detach || (e->reply && !e->left && !e->reply->gone_since))
		return true;
	LL_FOREACH(e->watchers, w)
	{
		if (!w->reply->gone_since)
			return true;
	}
	return false;
}

bool og_watch_saves(const struct og_entry *e, int64_t now, int64_t grace_ms)
{
	const struct og_watcher *w;

	LL_FOREACH(e->watchers, w)
	{
		if (!og_reply_is_gone(w->reply, now, grace_ms))
			return true;
	}
	return false;
}

/* --- the end --- */

void og_watch_result(struct og_scheduler *s, const char *reply, const char *id, const char *state,
	const char *error_type, const void *body, size_t len)
{
	const struct og_envelope e = {.type = OG_T_RESPONSE,
		.id = id,
		.content_type = "application/json",
		.state = state,
		.error_type = error_type && *error_type ? error_type : NULL};
	char key[OG_KEY_MAX];
	struct og_message m = {.exchange = OG_X_REPLIES, .routing_key = key, .body = body, .body_len = len};

	og_key_reply(reply, "result", key);
	og_envelope_encode(&e, &m);
	og_letter_send(s, &m, 0, NULL, NULL);
}

void og_watch_tell(struct og_scheduler *s, struct og_entry *e, const char *state, const char *error_type,
	const void *body, size_t len)
{
	struct og_watcher *w;

	LL_FOREACH(e->watchers, w)
	{
		if (*w->question)
			og_rpc_answer_end(s, w->reply->text, w->question, state, body, len);
		else if (!w->quiet)
			og_watch_result(s, w->reply->text, e->id, state, error_type, body, len);
	}
	og_watch_drop(s, e);
}

void og_watch_drop(struct og_scheduler *s, struct og_entry *e)
{
	struct og_watcher *w, *tmp;

	LL_FOREACH_SAFE(e->watchers, w, tmp)
	drop(s, e, w);
}

void og_watch_free(struct og_entry *e)
{
	struct og_watcher *w, *tmp;

	LL_FOREACH_SAFE(e->watchers, w, tmp)
	free(w);
	e->watchers = NULL;
}
