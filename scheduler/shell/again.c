/* A submit whose id is known already, or has to be looked up because its client chose it. */
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/alloc.h"
#include "base/log.h"
#include "model/operation.h"
#include "shell/answer.h"
#include "shell/intake.h"
#include "shell/move.h"
#include "shell/records.h"
#include "shell/watch.h"

#define HASH_HEX 32
#define FOREIGN                                                                                                        \
	"{\"error\":{\"type\":\"invalid_request\",\"message\":\"this request id is in use for another request\"}}"
#define GONE                                                                                                           \
	"{\"error\":{\"type\":\"result_gone\",\"message\":\"the job has ended, and its result is kept no longer\"}}"

/* Of the body: the same id with another body is another request. */
/* One body asks for two things under two operations. */
static void hash_request(const struct og_message *m, const char *operation, char ret[static HASH_HEX + 1])
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	EVP_MD_CTX *c = EVP_MD_CTX_new();

	EVP_DigestInit_ex(c, EVP_sha256(), NULL);
	EVP_DigestUpdate(c, m->body, m->body_len);
	if (!og_operation_is(operation, OG_OPERATION_GENERATE))
		EVP_DigestUpdate(c, operation, strlen(operation));
	EVP_DigestFinal_ex(c, digest, NULL);
	EVP_MD_CTX_free(c);
	for (size_t i = 0; i < HASH_HEX / 2; i++)
		snprintf(ret + 2 * i, 3, "%02x", digest[i]);
}

/* Not as a `done`: that would be taken for the end of the job that has the id. */
static void refuse_foreign(struct og_scheduler *s, const char *reply, const char *id, const struct og_source *source)
{
	og_watch_result(s, reply, id, og_state_name(OG_STATE_FAILED), "invalid_request", FOREIGN, strlen(FOREIGN));
	og_source_ack(source);
	s->counts.refused++;
}

/* --- an answer that is there already --- */

struct again { /* the stored result is fetched, and sent to the new reply key */
	struct og_scheduler *s;
	uint64_t term;
	struct og_source source;
	char id[OG_ID_LEN + 1], reply[OG_KEY_MAX], tenant[OG_NAME_MAX], state[32], error[64];
};

static struct again *current(struct again *a)
{
	if (a->s->term && a->s->term->serial == a->term)
		return a;
	free(a);
	return NULL;
}

static void send_result(struct og_scheduler *s, const char *reply, const char *id, const char *state,
	const char *error_type, const struct og_redis_reply *body)
{
	if (body && body->type == OG_REPLY_STRING)
		og_watch_result(s, reply, id, state, error_type, body->str, body->len);
	else
		og_watch_result(s, reply, id, state, "result_gone", GONE, strlen(GONE));
}

static void on_result(void *ctx, const struct og_redis_reply *reply, const struct og_error *err)
{
	struct again *a = current(ctx);

	(void)err;
	if (!a)
		return;
	if (reply)
		send_result(a->s, a->reply, a->id, a->state, a->error, reply);
	og_source_ack(&a->source);
	free(a);
}

/* Where Redis cannot say how it ended, or may still learn it, nothing is said: the client asks for its result when it
 * misses it. */
static void on_record(void *ctx, const struct og_redis_reply *reply, const struct og_error *err)
{
	struct again *a = current(ctx);
	const char *state = reply ? og_record_text(reply, OG_RECORD_STATE) : NULL;
	const char *tenant = reply ? og_record_text(reply, OG_RECORD_TENANT) : NULL;
	const char *error = reply ? og_record_text(reply, OG_RECORD_ERROR) : NULL;

	(void)err;
	if (!a)
		return;
	if (state && tenant && strcmp(tenant, a->tenant) != 0) {
		refuse_foreign(a->s, a->reply, a->id, &a->source);
		free(a);
		return;
	}
	if (state && tenant) {
		snprintf(a->state, sizeof(a->state), "%s", state);
		snprintf(a->error, sizeof(a->error), "%s", error ? error : "");
		if (og_records_result(a->s, a->id, on_result, a) == 0)
			return;
	} else if (reply && !a->s->term->later) {
		og_watch_result(
			a->s, a->reply, a->id, og_state_name(OG_STATE_FAILED), "result_gone", GONE, strlen(GONE));
	}
	og_source_ack(&a->source);
	free(a);
}

static enum og_judged tell_again(struct og_scheduler *s, const struct og_submit *x)
{
	struct again *a = og_new(struct again);

	*a = (struct again){.s = s, .term = s->term->serial, .source = x->source};
	snprintf(a->id, sizeof(a->id), "%s", x->e.id);
	snprintf(a->reply, sizeof(a->reply), "%s", x->e.reply_to);
	snprintf(a->tenant, sizeof(a->tenant), "%s", x->tenant);
	s->counts.duplicates++;
	if (og_records_look(s, a->id, on_record, a) != 0) {
		og_source_ack(&a->source);
		free(a);
	}
	return OG_JUDGED_TAKEN;
}

/* It lives: the one who asks again is told its end, and shown its chunks where he wants them. */
static void join(struct og_scheduler *s, struct og_entry *e, const char *reply, bool stream)
{
	char own[OG_KEY_MAX];

	og_entry_reply(e, own);
	if (stream && strcmp(own, reply) != 0)
		og_watch_attach(s, e, reply, 0);
	else
		og_watch(s, e, reply, NULL);
}

enum og_judged og_intake_again(struct og_scheduler *s, const struct og_submit *x, struct og_entry *e)
{
	if (e && e->tenant && strcmp(e->tenant->text, x->tenant) != 0) {
		refuse_foreign(s, x->e.reply_to, x->e.id, &x->source);
		return OG_JUDGED_TAKEN;
	}
	if (e && e->move && og_move_redelivered(e->move, &x->source, false))
		return OG_JUDGED_TAKEN;
	if (e && e->where == OG_WHERE_CHECK)
		return OG_JUDGED_LATER;
	if (x->e.explicit_id)
		return og_intake_check(s, x);
	if (!e || e->where == OG_WHERE_ENDED)
		return tell_again(s, x);
	join(s, e, x->e.reply_to, x->e.stream);
	og_source_ack(&x->source);
	return OG_JUDGED_TAKEN;
}

/* --- explicit ids --- */

static void conflict(struct og_scheduler *s, struct og_parked *p, struct og_entry *e)
{
	if (e && e->where == OG_WHERE_CHECK)
		og_answer_forget(s, e);
	refuse_foreign(s, p->m->reply_to, p->id, &p->source);
	og_parked_free(p);
}

static void ended(struct og_scheduler *s, struct og_parked *p, struct og_entry *e, const struct og_redis_reply *reply)
{
	const char *state = og_record_text(reply, 1), *error = og_record_text(reply, 2);

	if (e && e->where == OG_WHERE_CHECK)
		og_answer_forget(s, e);
	s->counts.duplicates++;
	send_result(s, p->m->reply_to, p->id, state, error, reply->n > 3 ? reply->items[3] : NULL);
	og_source_ack(&p->source);
	og_parked_free(p);
}

/* The job lives: in our index, or (its record says so, and we are still reading the records) it will be there in a
 * moment. */
static void live(struct og_scheduler *s, struct og_parked *p, struct og_entry *e)
{
	if (e && e->where != OG_WHERE_CHECK) {
		const struct og_header *stream = og_message_header(p->m, "og-stream");

		join(s, e, p->m->reply_to, stream && stream->number);
		og_source_ack(&p->source);
		og_parked_free(p);
		s->counts.duplicates++;
		return;
	}
	if (s->term->loading) {
		if (e)
			og_answer_forget(s, e);
		og_intake_keep(s, p, OG_JUDGED_LATER);
		return;
	}
	/* A record without a job: nothing can be lost by running it. */
	p->checked = true;
	og_intake_keep(s, p, og_intake_judge(s, p->m, &p->source, true));
}

static void on_checked(void *ctx, const struct og_redis_reply *reply, const struct og_error *err)
{
	struct og_parked *p = ctx;
	struct og_scheduler *s = p->s;
	const char *verdict = reply ? og_record_text(reply, 0) : NULL;
	struct og_entry *e;

	if (p->orphaned) {
		og_parked_free(p);
		return;
	}
	if (reply && og_records_fenced(s, reply)) { /* orphans it */
		og_parked_free(p);
		return;
	}
	DL_DELETE(s->term->checking, p);
	e = og_index_find(s->plan.index, p->id);
	if (err && err->kind != OG_INVALID) {
		if (e && e->where == OG_WHERE_CHECK)
			og_answer_forget(s, e);
		og_records_sick(s);
		og_intake_keep(s, p, OG_JUDGED_UNCHECKED);
	} else if (verdict && !strcmp(verdict, "conflict")) {
		conflict(s, p, e);
	} else if (verdict && !strcmp(verdict, "ended")) {
		ended(s, p, e, reply);
	} else if (e && e->where != OG_WHERE_CHECK) {
		live(s, p, e);
	} else if (p->lived) { /* and has ended since, which Redis was told after it was asked */
		og_intake_keep(s, p, og_intake_judge(s, p->m, &p->source, false));
	} else if (verdict && !strcmp(verdict, "live")) {
		live(s, p, e);
	} else {
		if (err)
			og_error_log(err->message, "id=%s", p->id);
		p->checked = true;
		og_intake_keep(s, p, og_intake_judge(s, p->m, &p->source, true));
	}
}

enum og_judged og_intake_check(struct og_scheduler *s, const struct og_submit *x)
{
	char hash[HASH_HEX + 1];
	const struct og_entry *e;
	struct og_parked *p;

	if (!og_records_healthy(s))
		return OG_JUDGED_UNCHECKED;
	p = og_parked_new(s, x->m, &x->source, false);
	hash_request(x->m, x->e.operation, hash);
	if (og_records_accept(s, x->e.id, x->tenant, x->e.reply_to, hash, on_checked, p) != 0) {
		og_parked_free(p);
		return OG_JUDGED_UNCHECKED;
	}
	DL_APPEND(s->term->checking, p);
	e = og_index_find(s->plan.index, x->e.id);
	p->lived = e && e->where != OG_WHERE_CHECK;
	if (!e) {
		const struct og_facts facts = {
			.id = x->e.id, .tenant = x->tenant, .reply = x->e.reply_to, .explicit_id = true};

		og_index_add(s->plan.index, &facts, OG_WHERE_CHECK);
	}
	return OG_JUDGED_TAKEN;
}
