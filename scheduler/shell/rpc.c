#include "shell/rpc.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/parse.h"
#include "model/json.h"
#include "shell/intake.h"
#include "shell/letter.h"

#define BODY_CAP (64u * 1024)

static const struct {
	const char *verb;
	void (*ask)(struct og_question *q, const json_t *args);
	bool names_job, operates; /* operates: an operator's alone */
} verbs[] = {
	{"peers", og_rpc_peers, false, false},
	{"tiers", og_rpc_tiers, false, false},
	{"queues", og_rpc_queues, false, false},
	{"status", og_rpc_status, false, false},
	{"jobs", og_rpc_jobs, false, false},
	{"job", og_rpc_job, true, false},
	{"result", og_rpc_result, true, false},
	{"wait", og_rpc_wait, true, false},
	{"attach", og_rpc_attach, true, false},
	{"cancel", og_rpc_cancel, true, false},
	{"leave", og_rpc_leave, true, false},
	{"pause", og_rpc_pause, false, true},
	{"resume", og_rpc_resume, false, true},
	{"drain", og_rpc_drain, false, true},
	{"dead_list", og_rpc_dead_list, false, false},
	{"dead_show", og_rpc_dead_show, true, false},
	{"dead_requeue", og_rpc_dead_requeue, false, false},
	{"dead_drop", og_rpc_dead_drop, false, false},
};

#define TOO_LARGE                                                                                                      \
	"{\"error\":{\"type\":\"too_large\",\"message\":\"the answer is above 8 MiB: ask for fewer at a time\"}}"

static void send_text(struct og_scheduler *s, const char *reply, const char *question, const char *text)
{
	const struct og_envelope e = {.type = OG_T_RPC_REPLY, .id = question, .content_type = "application/json"};
	char key[OG_KEY_MAX];
	struct og_message m = {.exchange = OG_X_REPLIES, .routing_key = key};

	if (strlen(text) > OG_AMQP_BODY_CAP) /* whoever asked is not to wait for what cannot be sent */
		text = TOO_LARGE;
	m.body = text;
	m.body_len = strlen(text);
	og_key_reply(reply, "rpc", key);
	og_envelope_encode(&e, &m);
	og_letter_send(s, &m, 0, NULL, NULL);
}

void og_question_free(struct og_question *q)
{
	json_decref(q->kept);
	free(q);
}

void og_rpc_answer(struct og_question *q, json_t *answer)
{
	og_autofree char *text = og_json_dump(answer, 0);

	send_text(q->s, q->reply, q->id, text);
	og_question_free(q);
}

void og_rpc_fail(struct og_question *q, const char *type, const char *words)
{
	og_rpc_answer(q, json_pack("{s:{s:s, s:o}}", "error", "type", type, "message", og_json_text(words)));
}

struct og_question *og_rpc_current(void *ctx)
{
	struct og_question *q = ctx;

	if (q->s->term && q->s->term->serial == q->term)
		return q;
	og_question_free(q);
	return NULL;
}

json_t *og_rpc_end(const char *state, const void *body, size_t len)
{
	json_t *answer = json_pack("{s:s}", "state", state), *result;

	if (og_json_parse(body, len, &result, NULL) == 0)
		json_object_set_new(answer, "result", result);
	return answer;
}

void og_rpc_answer_end(struct og_scheduler *s, const char *reply, const char *question, const char *state,
	const void *body, size_t len)
{
	og_autofree char *text = og_json_dump(og_rpc_end(state, body, len), 0);

	send_text(s, reply, question, text);
}

static struct og_question *question_new(struct og_scheduler *s, const struct og_message *m)
{
	struct og_question *q = og_new(struct og_question);

	q->s = s;
	q->term = s->term->serial;
	q->operates = og_role_of_user(m->user_id) == OG_ROLE_OPERATOR;
	q->sees_all = q->operates || og_role_of_user(m->user_id) == OG_ROLE_GATEWAY;
	snprintf(q->id, sizeof(q->id), "%s", m->message_id);
	snprintf(q->reply, sizeof(q->reply), "%s", m->reply_to);
	snprintf(q->tenant, sizeof(q->tenant), "%s", og_tenant_of_user(m->user_id));
	return q;
}

/* NULL: it names none that could be one; then it has been answered. */
static const json_t *read_job(struct og_question *q, const json_t *args)
{
	const char *id = json_string_value(json_object_get(args, "id"));

	if (!id || !og_uuid_valid(id)) {
		og_rpc_fail(q, "invalid_request", "\"id\" is missing or not a UUID");
		return NULL;
	}
	snprintf(q->job, sizeof(q->job), "%s", id);
	return args;
}

/* Whoever sees all may ask for one tenant, and sees that one's alone: "as". A gateway orders nothing of its own; it may for
 * an administrator whom it names: "by". False: it is neither; then it has been answered. */
static bool read_for_whom(struct og_question *q, const char *verb, const json_t *args, bool is_gateway)
{
	const json_t *as = json_object_get(args, "as"), *by = json_object_get(args, "by");
	const char *tenant = json_string_value(as), *admin = json_string_value(by);
	char quoted[256];

	if ((as && (!tenant || !*tenant || strlen(tenant) >= OG_NAME_MAX)) || (by && (!admin || !*admin)) ||
		(as && by)) {
		og_rpc_fail(q, "invalid_request", "\"as\" is no tenant, or \"by\" names nobody, or both are there");
		return false;
	}
	if (as && q->sees_all) {
		q->sees_all = false;
		snprintf(q->tenant, sizeof(q->tenant), "%s", tenant);
	} else if (as && strcmp(tenant, q->tenant) != 0) {
		og_rpc_fail(q, "not_allowed", "only the roles gateway and operator ask for a tenant");
		return false;
	}
	if (by && is_gateway) {
		q->operates = true;
		og_info("ordered by way of a gateway", "verb=%s by=%s", verb,
			og_log_quote(admin, quoted, sizeof(quoted)));
	}
	return true;
}

static void ask(struct og_question *q, const char *verb, const json_t *args)
{
	for (size_t i = 0; i < OG_COUNT(verbs); i++) {
		if (strcmp(verbs[i].verb, verb) != 0)
			continue;
		if (verbs[i].operates && !q->operates)
			og_rpc_fail(q, "not_allowed", "only an operator may do this: use the operator's credentials");
		else if (!verbs[i].names_job || read_job(q, args))
			verbs[i].ask(q, args);
		return;
	}
	og_rpc_fail(q, "invalid_request", "unknown verb");
}

void og_rpc_take(void *ctx, const struct og_message *m, uint64_t epoch)
{
	struct og_scheduler *s = ctx;
	const struct og_source source = {.from = s->term->intake.amqp, .epoch = epoch, .tag = m->delivery_tag};
	struct og_envelope e;
	struct og_error err = {0};
	struct og_question *q;
	json_t *args = NULL;

	if (s->draining)
		return;
	og_source_ack(&source);
	/* Whom nobody may answer is not answered. */
	if (!m->user_id || !m->reply_to || !m->message_id || !og_reply_valid(m->reply_to) ||
		!og_reply_belongs_to(m->reply_to, m->user_id)) {
		s->counts.malformed++;
		return;
	}
	if (og_envelope_decode(m, &e, &err) == 0 && strcmp(e.type, OG_T_RPC) != 0)
		og_fail(&err, OG_INVALID, "a message of type %s is no question", e.type);
	q = question_new(s, m);
	if (err.kind) {
		s->counts.malformed++;
		og_rpc_fail(q, og_envelope_error_type(&err), err.message);
		return;
	}
	if (m->body_len > BODY_CAP || (m->body_len && og_json_parse(m->body, m->body_len, &args, NULL) != 0)) {
		og_rpc_fail(q, "invalid_request", "the body is no JSON object");
		return;
	}
	if (read_for_whom(q, e.verb, args, og_role_of_user(m->user_id) == OG_ROLE_GATEWAY))
		ask(q, e.verb, args);
	json_decref(args);
}
