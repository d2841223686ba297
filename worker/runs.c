#include "runs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/alloc.h"
#include "model/message.h"

static void copy(char *out, size_t size, const char *s)
{
	snprintf(out, size, "%s", s ? s : "");
}

struct og_run *og_run_new(const struct og_envelope *e, uint64_t delivery_epoch, uint64_t delivery_tag, int64_t now_ms)
{
	struct og_run *r = og_new(struct og_run);

	copy(r->id, sizeof(r->id), e->id);
	copy(r->reply, sizeof(r->reply), e->reply_to);
	copy(r->lease, sizeof(r->lease), e->lease);
	r->attempt = e->attempt ? e->attempt : 1;
	r->run = e->delivery_count;
	r->epoch = e->epoch;
	r->accepted_ms = e->accepted_ms;
	r->deadline_ms = e->deadline_ms;
	r->stream = e->stream;
	r->bundles = e->bundle < OG_BUNDLES_MESSAGES ? (enum og_bundles)e->bundle : OG_BUNDLES_MESSAGES;
	og_buf_init(&r->bundle, OG_BUNDLE_MAX);
	r->progress = e->progress;
	r->suspect = e->suspect;
	r->delivery_epoch = delivery_epoch;
	r->delivery_tag = delivery_tag;
	r->received_ms = now_ms;
	return r;
}

void og_run_free(struct og_run *r)
{
	if (!r)
		return;
	og_request_done(&r->request);
	og_answer_done(&r->answer);
	og_kept_drop(&r->kept);
	og_buf_done(&r->bundle);
	free(r->hearers);
	free(r->placed);
	free(r->done);
	free(r->dead);
	free(r->back);
	free(r);
}

struct og_run *og_runs_find(const struct og_runs *t, const char *id)
{
	struct og_run *r;

	HASH_FIND_STR(t->held, id, r);
	if (!r)
		HASH_FIND_STR(t->settling, id, r);
	return r;
}

void og_runs_wait(struct og_runs *t, struct og_run *r)
{
	r->phase = OG_RUN_WAITING;
	HASH_ADD_STR(t->held, id, r);
	DL_APPEND(t->line, r);
	t->n_suspects += r->suspect;
}

static bool in_line(const struct og_run *r)
{
	return r->prev != NULL; /* the head's `prev` is the tail: only one that is in no list has none */
}

static void leave_line(struct og_runs *t, struct og_run *r)
{
	if (!in_line(r))
		return;
	DL_DELETE(t->line, r);
	r->next = r->prev = NULL;
	t->n_suspects -= r->suspect;
}

struct og_run *og_runs_next(const struct og_runs *t, size_t slots)
{
	struct og_run *r = t->line;

	if (t->alone || t->n_running >= slots || (t->n_suspects && t->n_running))
		return NULL;
	while (t->n_suspects && !r->suspect)
		r = r->next;
	return r;
}

static void take_slot(struct og_runs *t, struct og_run *r, enum og_run_phase phase)
{
	if (in_line(r))
		leave_line(t, r);
	else
		HASH_ADD_STR(t->held, id, r);
	r->phase = phase;
	t->n_running++;
	if (r->suspect)
		t->alone = r;
}

void og_runs_announce(struct og_runs *t, struct og_run *r)
{
	take_slot(t, r, OG_RUN_ANNOUNCED);
}

void og_runs_start(struct og_runs *t, struct og_run *r)
{
	if (r->phase == OG_RUN_ANNOUNCED)
		r->phase = OG_RUN_RUNNING;
	else
		take_slot(t, r, OG_RUN_RUNNING);
}

void og_runs_remove(struct og_runs *t, struct og_run *r)
{
	if (r->phase == OG_RUN_SETTLING) {
		HASH_DELETE(hh, t->settling, r);
		return;
	}
	leave_line(t, r);
	HASH_DELETE(hh, t->held, r);
	if (r->phase != OG_RUN_WAITING)
		t->n_running--;
	if (t->alone == r)
		t->alone = NULL;
}

void og_runs_settle(struct og_runs *t, struct og_run *r)
{
	bool fresh = r->phase == OG_RUN_WAITING && !in_line(r);

	if (!fresh)
		og_runs_remove(t, r);
	r->phase = OG_RUN_SETTLING;
	HASH_ADD_STR(t->settling, id, r);
}

size_t og_runs_count(const struct og_runs *t)
{
	return HASH_COUNT(t->held) + HASH_COUNT(t->settling);
}

static size_t count_from(const struct og_run *table, enum og_source source)
{
	size_t n = 0;

	for (const struct og_run *r = table; r; r = r->hh.next)
		n += r->source == source;
	return n;
}

size_t og_runs_count_from(const struct og_runs *t, enum og_source source)
{
	return count_from(t->held, source) + count_from(t->settling, source);
}

int64_t og_runs_due(const struct og_runs *t)
{
	int64_t due = 0;

	for (const struct og_run *r = t->held; r; r = r->hh.next)
		if (r->deadline_ms && (!due || r->deadline_ms < due))
			due = r->deadline_ms;
	return due;
}

void og_run_hear(struct og_run *r, const char *reply)
{
	for (size_t i = 0; i < r->n_hearers; i++)
		if (!strcmp(r->hearers[i].reply, reply))
			return;
	if (!r->hearers)
		r->hearers = og_alloc(OG_HEARERS_MAX * sizeof(*r->hearers));
	if (r->n_hearers == OG_HEARERS_MAX)
		memmove(r->hearers, r->hearers + 1, --r->n_hearers * sizeof(*r->hearers));
	copy(r->hearers[r->n_hearers++].reply, OG_KEY_MAX, reply);
}

enum og_meeting og_run_meets(const struct og_run *held, const struct og_envelope *e)
{
	int64_t attempt = e->attempt ? e->attempt : 1;

	if (!held)
		return OG_MEETS_NOBODY;
	if (attempt == held->attempt)
		return OG_MEETS_ITSELF;
	if (attempt < held->attempt)
		return OG_MEETS_NEWER;
	return held->phase == OG_RUN_SETTLING ? OG_MEETS_NOBODY : OG_MEETS_OLDER;
}

void og_run_take_over(struct og_run *r, const struct og_envelope *e, uint64_t delivery_epoch, uint64_t delivery_tag)
{
	if (e->delivery_count > r->run + 1)
		r->run = e->delivery_count;
	/* The same attempt placed by a later leader: only that one's lease still counts. */
	if (e->epoch > r->epoch && e->lease) {
		r->epoch = e->epoch;
		copy(r->lease, sizeof(r->lease), e->lease);
	}
	r->delivery_epoch = delivery_epoch;
	r->delivery_tag = delivery_tag;
}
