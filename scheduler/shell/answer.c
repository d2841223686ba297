#include "shell/answer.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/parse.h"
#include "model/json.h"
#include "shell/letter.h"
#include "shell/move.h"
#include "shell/watch.h"

struct og_held *og_held_new(const struct og_source *source, const struct og_message *m)
{
	struct og_held *h = og_new(struct og_held);

	h->source = *source;
	h->m = m ? og_message_copy(m) : NULL;
	return h;
}

void og_held_free(struct og_held *h)
{
	if (!h)
		return;
	free(h->m);
	free(h);
}

/* {"error":{"type":…,"message":…}} */
static char *error_body(const char *type, const char *words)
{
	return og_json_dump(json_pack("{s:{s:s, s:o}}", "error", "type", type, "message", og_json_text(words)), 0);
}

void og_answer_done(struct og_scheduler *s, const struct og_envelope *about, enum og_state state,
	const char *error_type, const char *body, og_letter_cb *cb, void *ctx)
{
	char key[OG_KEY_MAX];
	struct og_message m = {.exchange = OG_X_REPLIES,
		.routing_key = key,
		.persistent = true,
		.body = body,
		.body_len = strlen(body)};
	struct og_envelope e = *about;

	og_key_reply(about->reply_to, "done", key);
	e.reply_to = NULL;
	e.type = OG_T_RESPONSE;
	e.content_type = "application/json";
	e.state = og_state_name(state);
	e.error_type = error_type;
	og_envelope_encode(&e, &m);
	og_letter_send(s, &m, 0, cb, ctx);
}

static void send_end(struct og_scheduler *s, const struct og_envelope *about, enum og_state state,
	const char *error_type, const char *words, og_letter_cb *cb, void *ctx)
{
	og_autofree char *body = error_body(error_type, words);

	og_answer_done(s, about, state, error_type, body, cb, ctx);
}

/* No attempt and no run: a scheduler's word is of no run, and always counts. */
static struct og_envelope about_entry(const struct og_scheduler *s, const struct og_entry *e, const char *reply)
{
	return (struct og_envelope){
		.id = e->id,
		.reply_to = reply,
		.tier = s->catalogue->tiers[e->tier].id,
		.class_name = og_class_name((enum og_class)e->class),
		.tenant = e->tenant ? e->tenant->text : NULL,
		.submitter = e->submitter ? e->submitter->text : NULL,
		.accepted_ms = e->accepted_ms,
	};
}

/* --- ends --- */

struct ended { /* what waits for the confirm of an end */
	char id[OG_ID_LEN + 1];
	bool has_entry;
	struct og_source source;
};

static void on_end_confirmed(struct og_scheduler *s, void *ctx, bool returned)
{
	struct ended *x = ctx;
	struct og_entry *e = x->has_entry ? og_index_find(s->plan.index, x->id) : NULL;

	(void)returned;
	og_source_ack(&x->source);
	if (e && e->where == OG_WHERE_ENDED) {
		e->answered = true;
		if (e->held)
			og_answer_body_came(s, e, OG_TAKE(e->held));
	}
	free(x);
}

static struct ended *ended_new(const char *id, bool has_entry, const struct og_source *source)
{
	struct ended *x = og_new(struct ended);

	snprintf(x->id, sizeof(x->id), "%s", id);
	x->has_entry = has_entry;
	if (source)
		x->source = *source;
	return x;
}

static void tell_watchers(
	struct og_scheduler *s, struct og_entry *e, enum og_state state, const char *error_type, const char *words)
{
	og_autofree char *body = e->watchers ? error_body(error_type, words) : NULL;

	if (body)
		og_watch_tell(s, e, og_state_name(state), error_type, body, strlen(body));
}

void og_answer_end(
	struct og_scheduler *s, struct og_entry *e, enum og_state state, const char *error_type, const char *words)
{
	struct og_envelope about;
	struct og_held *held;
	char reply[OG_KEY_MAX];
	bool waits = og_entry_comes_back(e);

	og_entry_reply(e, reply);
	about = about_entry(s, e, reply);
	tell_watchers(s, e, state, error_type, words);
	og_recent_add(s->plan.recent, e->id, og_clock_mono_ms());
	og_debug("ended by the scheduler", "id=%s state=%s", e->id, og_state_name(state));
	send_end(s, &about, state, error_type, words, on_end_confirmed, ended_new(e->id, waits, NULL));
	s->counts.ended++;
	if (!waits) {
		og_answer_forget(s, e);
		return;
	}
	held = og_index_unhold(s->plan.index, e); /* out of the lane's way, and kept until the end is confirmed */
	og_index_move(s->plan.index, e, OG_WHERE_ENDED);
	e->held = held;
}

void og_answer_turn_away(struct og_scheduler *s, struct og_entry *e, enum og_state state, const char *error_type,
	const char *words, const struct og_source *source)
{
	struct og_envelope about;
	char reply[OG_KEY_MAX];

	og_entry_reply(e, reply);
	about = about_entry(s, e, reply);
	tell_watchers(s, e, state, error_type, words);
	send_end(s, &about, state, error_type, words, on_end_confirmed, ended_new(e->id, false, source));
	s->counts.refused++;
	og_answer_forget(s, e);
}

void og_answer_refuse(struct og_scheduler *s, const struct og_envelope *request, const char *tenant,
	enum og_state state, const char *error_type, const char *words, const struct og_source *source)
{
	const struct og_envelope about = {
		.id = request->id,
		.reply_to = request->reply_to,
		.tier = request->tier,
		.class_name = request->class_name,
		.tenant = tenant,
		.submitter = request->user_id,
		.accepted_ms = og_stamp_refused(&s->stamps, og_clock_wall_ms()),
	};

	og_debug("refused", "id=%s state=%s why=%s", request->id, og_state_name(state), error_type);
	send_end(s, &about, state, error_type, words, on_end_confirmed, ended_new(request->id, false, source));
	s->counts.refused++;
}

void og_answer_forget(struct og_scheduler *s, struct og_entry *e)
{
	if (e->move)
		og_move_detach(e->move);
	og_watch_drop(s, e);
	og_held_free(og_index_unhold(s->plan.index, e));
	og_index_remove(s->plan.index, e);
}

void og_answer_body_came(struct og_scheduler *s, struct og_entry *e, struct og_held *h)
{
	if (!e->answered) {
		og_held_free(e->held); /* of a connection that was lost */
		e->held = h;
		return;
	}
	og_source_ack(&h->source);
	og_held_free(h);
	og_answer_forget(s, e);
}

void og_answer_seen(struct og_scheduler *s, struct og_entry *e)
{
	struct og_held *held;

	if (!og_entry_comes_back(e)) {
		og_answer_forget(s, e);
		return;
	}
	held = og_index_unhold(s->plan.index, e);
	og_index_move(s->plan.index, e, OG_WHERE_ENDED);
	e->answered = true;
	if (held)
		og_answer_body_came(s, e, held);
}

/* --- dead letters --- */

static void on_dead_confirmed(struct og_scheduler *s, void *ctx, bool returned)
{
	struct ended *x = ctx;

	if (returned)
		og_error_log("a dead letter reached no queue: run og-broker-config apply", NULL);
	(void)s;
	og_source_ack(&x->source);
	free(x);
}

static bool is_one_of(const struct og_header *ours, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(ours[i].name, name))
			return true;
	return false;
}

void og_answer_headers(const struct og_message *m, const struct og_header *ours, size_t n, struct og_message *ret)
{
	size_t size = 0;

	*ret = *m;
	ret->user_id = NULL; /* another's: the broker would refuse it from us */
	ret->persistent = true;
	ret->n_headers = 0;
	for (size_t i = 0; i < m->n_headers && ret->n_headers < OG_MESSAGE_HEADERS_MAX - n; i++) {
		const struct og_header *h = &m->headers[i];

		if (!strncmp(h->name, "x-", 2) || is_one_of(ours, n, h->name) ||
			size + og_header_size(h) > OG_HEADERS_BYTES_MAX)
			continue;
		size += og_header_size(h);
		ret->headers[ret->n_headers++] = *h;
	}
	for (size_t i = 0; i < n; i++)
		if (ours[i].number || (ours[i].text && *ours[i].text))
			ret->headers[ret->n_headers++] = ours[i];
}

bool og_answer_has_lease(const struct og_scheduler *s, const struct og_message *m)
{
	const char *id = m->message_id ? m->message_id : m->correlation_id, *lease = og_message_text(m, "og-lease");

	return id && og_uuid_valid(id) && lease &&
	       og_lease_fits(s->lease, id, og_message_number(m, "og-attempt"), og_message_number(m, "og-epoch"), lease);
}

bool og_answer_believes(const struct og_scheduler *s, const struct og_message *m)
{
	int role = m->user_id ? og_role_of_user(m->user_id) : -1;

	return role == OG_ROLE_SCHEDULER || (role == OG_ROLE_WORKER && og_answer_has_lease(s, m));
}

/* Of a user or a tenant; NULL: none. What is longer is no name, and would not fit into a message beside other headers. */
static const char *name_of(const struct og_message *m, const char *header)
{
	const char *text = og_message_text(m, header);

	return text && *text && strlen(text) < OG_NAME_MAX ? text : NULL;
}

bool og_answer_owner(
	const struct og_scheduler *s, const struct og_message *m, const char **ret_submitter, const char **ret_tenant)
{
	bool believed = og_answer_believes(s, m);
	const char *submitter = believed ? name_of(m, "og-submitter") : NULL;
	const char *tenant = believed ? name_of(m, "og-tenant") : NULL;

	if (!submitter)
		submitter = m->user_id;
	if (!tenant && submitter)
		tenant = og_tenant_of_user(submitter);
	*ret_submitter = submitter;
	*ret_tenant = tenant;
	return believed;
}

void og_answer_dead(struct og_scheduler *s, const struct og_message *m, const struct og_source *source,
	const char *error_type, const char *reason, const char *reply)
{
	const char *submitter, *tenant;
	char id[64], user[128], why[600];
	struct og_message dead;

	og_answer_owner(s, m, &submitter, &tenant);
	const struct og_header ours[] = {{.name = "og-error", .text = error_type},
		{.name = "og-reason", .text = reason}, {.name = "og-tenant", .text = tenant},
		{.name = "og-submitter", .text = submitter}};

	og_warn("dead-lettered", "id=%s user=%s error=%s why=%s",
		og_log_quote(m->message_id ? m->message_id : "", id, sizeof(id)),
		og_log_quote(m->user_id ? m->user_id : "", user, sizeof(user)), error_type,
		og_log_quote(reason, why, sizeof(why)));
	s->counts.malformed++;
	if (reply) {
		const struct og_envelope about = {.id = m->message_id, .reply_to = reply};

		send_end(s, &about, OG_STATE_FAILED, error_type, reason, NULL, NULL);
	}
	og_answer_headers(m, ours, OG_COUNT(ours), &dead);
	dead.exchange = OG_X_DEAD;
	dead.routing_key = OG_K_DEAD;
	og_letter_send(s, &dead, OG_PUBLISH_MANDATORY, on_dead_confirmed, ended_new("", false, source));
}

/* --- progress, cancel --- */

/* What may be lost: where there is no room it is not sent. */
static void send_light(struct og_scheduler *s, const struct og_envelope *e, const char *exchange, const char *key)
{
	struct og_message m = {.exchange = exchange, .routing_key = key, .body = "{}", .body_len = 2};

	og_envelope_encode(e, &m);
	og_amqp_publish(s->lead, &m, 0, NULL, NULL, NULL);
}

void og_answer_progress(struct og_scheduler *s, const struct og_entry *e, enum og_state state)
{
	const struct og_envelope about = {
		.type = OG_T_PLACED,
		.id = e->id,
		.content_type = "application/json",
		.state = og_state_name(state),
		.tier = s->catalogue->tiers[e->tier].id,
		.attempt = e->attempt,
		.ahead = og_plan_ahead(&s->plan, e),
	};
	char reply[OG_KEY_MAX], key[OG_KEY_MAX];

	if (!e->progress || !e->submitter)
		return;
	og_entry_reply(e, reply);
	og_key_reply(reply, "placed", key);
	send_light(s, &about, OG_X_REPLIES, key);
}

void og_answer_again(struct og_scheduler *s, const struct og_entry *e, const struct og_envelope *said)
{
	const struct og_envelope about = {
		.type = OG_T_PLACED,
		.id = e->id,
		.content_type = "application/json",
		.state = og_state_name(OG_STATE_QUEUED),
		.tier = s->catalogue->tiers[e->tier].id,
		.attempt = said->attempt + 1,
		.error_type = said->error_type,
		.reason = said->reason,
	};
	char reply[OG_KEY_MAX], key[OG_KEY_MAX];

	if ((!said->stream && !said->progress) || !e->submitter)
		return;
	og_entry_reply(e, reply);
	og_key_reply(reply, "placed", key);
	send_light(s, &about, OG_X_REPLIES, key);
}

void og_answer_cancel(struct og_scheduler *s, const char *id, const struct og_worker *worker, unsigned tier)
{
	const struct og_envelope about = {.type = OG_T_CANCEL, .id = id};
	char key[OG_KEY_MAX];

	if (worker && *worker->key)
		snprintf(key, sizeof(key), "worker.%.*s", (int)sizeof(key) - 8, worker->key);
	else
		snprintf(key, sizeof(key), "tier.%s", s->catalogue->tiers[tier].key);
	send_light(s, &about, OG_X_CONTROL, key);
}

bool og_answer_stop(struct og_scheduler *s, struct og_entry *e, const char *words)
{
	if (og_entry_comes_back(e)) {
		og_answer_end(s, e, OG_STATE_CANCELLED, "cancelled", words);
		return true;
	}
	e->cancelling = true;
	if (e->where == OG_WHERE_TIER || e->where == OG_WHERE_RUN)
		og_answer_cancel(s, e->id, e->worker, e->tier);
	if (e->where != OG_WHERE_TIER || e->worker)
		return false;
	/* Nobody runs it, as far as we know, and perhaps nobody comes for it: its workers have just been told, and one that
	 * takes it up later is told when its heartbeat lists it. */
	og_answer_end(s, e, OG_STATE_CANCELLED, "cancelled", words);
	return true;
}

void og_answer_pause(struct og_scheduler *s, const struct og_worker *worker, int64_t until_ms)
{
	const struct og_envelope about = {
		.type = until_ms ? OG_T_PAUSE : OG_T_RESUME, .not_before_ms = until_ms, .node = worker->said.node_id};
	char key[OG_KEY_MAX];

	snprintf(key, sizeof(key), "worker.%.*s", (int)sizeof(key) - 8, worker->key);
	send_light(s, &about, OG_X_CONTROL, key);
}

void og_answer_node_queue(struct og_scheduler *s, const struct og_worker *worker)
{
	const struct og_envelope about = {.type = OG_T_NODE_QUEUE};
	char key[OG_KEY_MAX];

	snprintf(key, sizeof(key), "worker.%.*s", (int)sizeof(key) - 8, worker->key);
	send_light(s, &about, OG_X_CONTROL, key);
}
