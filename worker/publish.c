#include "publish.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/alloc.h"
#include "base/log.h"

struct og_waiting_publish {
	struct og_message *m;
	unsigned flags;
	og_settled_cb *cb;
	void *ctx;
	bool chunk;
	struct og_waiting_publish *next, *prev;
};

static void drop_first(struct og_publisher *p)
{
	struct og_waiting_publish *w = p->waiting;

	if (w->chunk)
		p->waiting_chunk_bytes -= w->m->body_len;
	DL_DELETE(p->waiting, w);
	free(w->m);
	free(w);
}

static void on_writable(void *ctx)
{
	struct og_publisher *p = ctx;

	while (p->waiting) {
		struct og_waiting_publish *w = p->waiting;
		struct og_error err;

		if (og_amqp_publish(p->amqp, w->m, w->flags, w->cb, w->ctx, &err) < 0)
			return; /* full again: we are called again */
		drop_first(p);
	}
}

void og_publisher_init(struct og_publisher *p, struct og_amqp *amqp, const struct og_identity *who)
{
	*p = (struct og_publisher){.amqp = amqp, .who = who};
	amqp->ops->on_writable(amqp, on_writable, p);
}

void og_publisher_done(struct og_publisher *p)
{
	while (p->waiting)
		drop_first(p);
}

static void wait_for_room(
	struct og_publisher *p, const struct og_message *m, unsigned flags, og_settled_cb *cb, void *ctx, bool chunk)
{
	struct og_waiting_publish *w;

	if (chunk && m->body_len > OG_CHUNKS_WAIT_MAX - p->waiting_chunk_bytes) {
		p->chunks_dropped++;
		return;
	}
	w = og_new(struct og_waiting_publish);
	w->m = og_message_copy(m);
	w->flags = flags;
	w->cb = cb;
	w->ctx = ctx;
	w->chunk = chunk;
	if (chunk)
		p->waiting_chunk_bytes += m->body_len;
	DL_APPEND(p->waiting, w);
}

static void dispatch(
	struct og_publisher *p, const struct og_message *m, unsigned flags, og_settled_cb *cb, void *ctx, bool chunk)
{
	struct og_error err;

	if (p->waiting) {
		wait_for_room(p, m, flags, cb, ctx, chunk);
		return;
	}
	if (og_amqp_publish(p->amqp, m, flags, cb, ctx, &err) == 0)
		return;
	if (err.kind == OG_BUSY)
		wait_for_room(p, m, flags, cb, ctx, chunk);
	else /* closing; or a chunk above the cap, which comes with `done` if at all */
		og_debug("not published", "type=%s id=%s", m->type, m->message_id);
}

/* What every message about a run says of it. */
static struct og_envelope about(const struct og_publisher *p, const struct og_run *r, const char *type)
{
	return (struct og_envelope){
		.type = type,
		.id = r->id,
		.content_type = "application/json",
		.attempt = r->attempt,
		.run = r->run,
		.node = p->who->node_id,
		.node_name = p->who->node_name,
		.worker = p->who->worker,
	};
}

/* What others than its submitter can read is not known. */
static void to_reply(struct og_publisher *p, const struct og_run *r, const char *reply, const struct og_envelope *e,
	const char *what, const char *body, size_t len, og_settled_cb *cb, void *ctx)
{
	bool done = cb != NULL, joins = r->bundles == OG_BUNDLES_MESSAGES && reply == r->reply;
	unsigned flags = (joins ? OG_PUBLISH_BUNDLE : 0) | (done ? OG_PUBLISH_MANDATORY : 0);
	char key[OG_KEY_MAX];
	struct og_message m = {
		.exchange = OG_X_REPLIES, .routing_key = key, .body = body, .body_len = len, .persistent = done};

	og_key_reply(reply, what, key);
	og_envelope_encode(e, &m);
	/* The queue of states takes every done: one that comes back says that the topology is broken. */
	dispatch(p, &m, flags, cb, ctx, !done);
}

void og_publish_started(struct og_publisher *p, const struct og_run *r, int64_t now_ms)
{
	struct og_envelope e = about(p, r, OG_T_STARTED);

	e.queue_ms = r->accepted_ms && now_ms > r->accepted_ms ? now_ms - r->accepted_ms : 0;
	to_reply(p, r, r->reply, &e, "started", "{}", 2, NULL, NULL);
}

void og_publish_chunk(
	struct og_publisher *p, const struct og_run *r, const char *reply, int64_t seq, const char *chunk, size_t len)
{
	const struct og_envelope e = {
		.type = OG_T_CHUNK, .id = r->id, .attempt = r->attempt, .run = r->run, .seq = seq};

	to_reply(p, r, reply, &e, "chunk", chunk, len, NULL, NULL);
}

void og_publish_chunks(struct og_publisher *p, const struct og_run *r, const char *reply, int64_t seq, int64_t n,
	const char *lines, size_t len)
{
	const struct og_envelope e = {
		.type = OG_T_CHUNK, .id = r->id, .attempt = r->attempt, .run = r->run, .seq = seq, .bundle = n};

	to_reply(p, r, reply, &e, "chunk", lines, len, NULL, NULL);
}

static int64_t ms_between(int64_t from_us, int64_t to_us)
{
	return from_us && to_us > from_us ? (to_us - from_us) / 1000 : 0;
}

void og_publish_done(struct og_publisher *p, const struct og_run *r, og_settled_cb *cb, void *ctx)
{
	struct og_envelope e = about(p, r, OG_T_RESPONSE);

	e.state = og_state_name(og_fault_state(r->fault));
	e.error_type = r->fault ? og_fault_name(r->fault) : NULL;
	e.lease = *r->lease ? r->lease : NULL;
	e.epoch = r->epoch;
	e.seq = r->stream ? r->seq : 0;
	e.queue_ms = r->accepted_ms && r->started_ms > r->accepted_ms ? r->started_ms - r->accepted_ms : 0;
	e.first_token_ms = ms_between(r->started_us, r->first_token_us);
	e.run_ms = ms_between(r->started_us, r->ended_us);
	e.prompt_tokens = r->prompt_tokens;
	e.completion_tokens = r->completion_tokens;
	to_reply(p, r, r->reply, &e, "done", r->done, strlen(r->done), cb, ctx);
}

void og_publish_alone(struct og_publisher *p, const struct og_run *r, og_settled_cb *cb, void *ctx)
{
	struct og_envelope e = about(p, r, OG_T_ALONE);
	struct og_message m = {
		.exchange = OG_X_RETRY, .routing_key = OG_K_RETRY, .body = "{}", .body_len = 2, .persistent = true};

	e.lease = r->lease;
	e.epoch = r->epoch;
	og_envelope_encode(&e, &m);
	dispatch(p, &m, OG_PUBLISH_MANDATORY, cb, ctx, false);
}

void og_publish_whole(struct og_publisher *p, const struct og_message *m, og_settled_cb *cb, void *ctx)
{
	dispatch(p, m, OG_PUBLISH_MANDATORY, cb, ctx, false);
}

struct og_message *og_dead_letter(const struct og_message *m, const char *error_type, const char *reason)
{
	struct og_message dead = *m;

	dead.exchange = OG_X_DEAD;
	dead.routing_key = OG_K_DEAD;
	dead.user_id = NULL; /* another's: the broker refuses that from us */
	dead.persistent = true;
	dead.n_headers = 0;
	for (size_t i = 0; i < m->n_headers && dead.n_headers < OG_MESSAGE_HEADERS_MAX - 2; i++) {
		const char *name = m->headers[i].name;

		if (strncmp(name, "x-", 2) && strcmp(name, "og-error") && strcmp(name, "og-reason"))
			dead.headers[dead.n_headers++] = m->headers[i];
	}
	dead.headers[dead.n_headers++] = (struct og_header){.name = "og-error", .text = error_type};
	dead.headers[dead.n_headers++] = (struct og_header){.name = "og-reason", .text = reason};
	return og_message_copy(&dead);
}
