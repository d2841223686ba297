/* What a delivery is: a job to run, one that is known, or nothing that can be read. */
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/parse.h"
#include "jobs_state.h"

#define ATTEMPT_MAX INT64_C(1000000) /* as envelope.c has it: what we send must be readable */
#define EPOCH_MAX   INT64_C(253402300799999)

static int64_t number_of(const struct og_message *m, const char *name, int64_t max)
{
	const struct og_header *h = og_message_header(m, name);

	return h && !h->text && h->number > 0 && h->number <= max ? h->number : 0;
}

/* A message that cannot be read as a request. Of its envelope that is used which stands by itself. */
static void refuse(struct og_jobs *j, const struct og_message *m, uint64_t epoch, enum og_source source,
	const struct og_error *why)
{
	const char *type = og_envelope_error_type(why);
	bool version = strcmp(type, "unknown_version") == 0;
	const struct og_header *lease = og_message_header(m, "og-lease");
	char id[OG_ID_LEN + 1];
	struct og_envelope e = {.id = m->message_id};
	struct og_run *r;

	if (!e.id || !og_uuid_valid(e.id)) {
		og_uuid_new(id);
		e.id = id;
	}
	if (m->reply_to && og_reply_valid(m->reply_to))
		e.reply_to = m->reply_to;
	if (lease && lease->text && strlen(lease->text) == OG_LEASE_LEN)
		e.lease = lease->text;
	e.epoch = number_of(m, "og-epoch", EPOCH_MAX);
	e.attempt = number_of(m, "og-attempt", ATTEMPT_MAX);

	r = og_run_new(&e, epoch, m->delivery_tag, og_clock_wall_ms());
	r->owner = j;
	r->source = source;
	if (version || !e.reply_to)
		r->dead = og_dead_letter(m, type, why->message);
	og_warn("a message that cannot be read", "id=%s error=%s", r->id, type);
	og_jobs_settle(j, r, version ? OG_FAULT_UNKNOWN_VERSION : OG_FAULT_INVALID_REQUEST, why->message);
}

/* True where the delivery needs no run of its own. */
static bool known(struct og_jobs *j, const struct og_envelope *e, const struct og_message *m, uint64_t epoch,
	enum og_source source)
{
	struct og_run *held = og_runs_find(&j->runs, e->id);
	uint64_t tag = m->delivery_tag;
	int64_t attempt;

	switch (og_run_meets(held, e)) {
	case OG_MEETS_ITSELF:
		/* The one held before is a second copy of the message, or of a connection that is gone: then this
		 * does nothing. */
		og_amqp_ack(j->in, held->delivery_epoch, held->delivery_tag);
		og_run_take_over(held, e, epoch, tag);
		held->source = source;
		j->counts.redelivered++;
		return true;
	case OG_MEETS_NEWER:
		og_amqp_ack(j->in, epoch, tag);
		return true;
	case OG_MEETS_OLDER:
		og_jobs_let_go(j, held);
		og_amqp_ack(j->in, held->delivery_epoch, held->delivery_tag);
		og_runs_remove(&j->runs, held);
		og_run_free(held); /* the slot that it had is the newer attempt's */
		return false;
	case OG_MEETS_NOBODY:
		break;
	}
	/* Its `done` is confirmed and only our ack was lost. A first delivery is another matter: someone placed it
	 * anew. */
	if (held || !m->redelivered ||
		og_recent_find(&j->recent, e->id, og_clock_mono_ms(), &attempt) != OG_RECENT_ENDED ||
		e->attempt > attempt)
		return false;
	og_amqp_ack(j->in, epoch, tag);
	return true;
}

/* Whether it is worth a run: if not, why. */
static enum og_fault judge(struct og_jobs *j, struct og_run *r, const struct og_message *m, const struct og_envelope *e,
	struct og_error *err)
{
	int64_t attempt;

	if (og_recent_find(&j->recent, r->id, og_clock_mono_ms(), &attempt) == OG_RECENT_CANCELLED) {
		og_fail(err, OG_INVALID, "cancelled before it was run");
		return OG_FAULT_CANCELLED;
	}
	if (og_jobs_past(r->deadline_ms)) {
		og_fail(err, OG_INVALID, "the deadline passed before it was run");
		return OG_FAULT_EXPIRED;
	}
	/* Before it is looked into: it may be what its worker died of. */
	if (r->run) {
		og_fail(err, OG_RETRY, "the worker that had it went away before it was done");
		return OG_FAULT_WORKER_LOST;
	}
	if (m->body_len > OG_BODY_MAX) {
		og_fail(err, OG_INVALID, "the request has %zu bytes, at most %u are allowed", m->body_len, OG_BODY_MAX);
		return OG_FAULT_TOO_LARGE;
	}
	if (og_request_parse(r->id, e->operation, m->body, m->body_len, &r->request, err) < 0)
		return OG_FAULT_INVALID_REQUEST;
	og_request_trace(&r->request, e->traceparent, e->tracestate);
	return OG_FAULT_NONE;
}

void og_jobs_take(struct og_jobs *j, const struct og_message *m, uint64_t epoch, enum og_source source)
{
	struct og_envelope e;
	struct og_error err;
	enum og_fault fault;
	struct og_run *r;

	if (og_envelope_decode(m, &e, &err) < 0) {
		refuse(j, m, epoch, source, &err);
		return;
	}
	if (strcmp(e.type, OG_T_REQUEST) != 0 || !e.reply_to || !og_reply_valid(e.reply_to)) {
		og_fail(&err, OG_INVALID, "a message of type %s to %s is no request", e.type,
			e.reply_to ? e.reply_to : "nobody");
		refuse(j, m, epoch, source, &err);
		return;
	}
	if (known(j, &e, m, epoch, source))
		return;
	r = og_run_new(&e, epoch, m->delivery_tag, og_clock_wall_ms());
	r->owner = j;
	r->source = source;
	r->placed = og_message_copy(m);
	if (r->run)
		j->counts.redelivered++;
	fault = judge(j, r, m, &e, &err);
	if (fault) {
		og_jobs_settle(j, r, fault, err.message);
		return;
	}
	if (j->draining) {
		og_jobs_settle(j, r, OG_FAULT_DRAINING, "its worker takes no more work");
		return;
	}
	og_jobs_wait(j, r);
	og_jobs_fill(j);
	og_jobs_changed(j);
}
