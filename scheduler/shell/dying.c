#include "shell/dying.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/parse.h"
#include "model/json.h"
#include "shell/answer.h"

#define FULL_MS       1000
#define NO_ROOM_MS    50
#define WARN_EVERY_MS 60000
#define WORDS_MAX     1024

struct og_dying {
	struct og_dying *prev, *next;
	struct og_scheduler *s;
	uint64_t term;
	struct og_source source;
	struct og_message *m; /* NULL: og.dead is full, and it is read again when it is not */
	char id[OG_ID_LEN + 1];
	int64_t due; /* monotonic */
	bool telling, publishing, refused, orphaned;
};

/* --- whose it is, and why --- */

struct death {
	const char *type, *words;
	const char *reply, *tenant, *submitter; /* reply NULL: nobody is to be told */
	enum og_state state;
	bool believed, placed; /* what it says of its owner; of its attempt */
};

static const char *id_of(const struct og_message *m)
{
	const char *id = m->message_id ? m->message_id : m->correlation_id;

	return id && og_uuid_valid(id) ? id : NULL;
}

/* Who could not read it has told its submitter so already. */
static bool was_told(const char *type)
{
	return !strcmp(type, "invalid_request") || !strcmp(type, "unknown_version");
}

/* The type of an error that others wrote; NULL: it is none. */
static const char *type_of(const struct og_message *m)
{
	const char *type = og_message_text(m, "og-error");
	size_t len = type ? strlen(type) : 0;

	return len && len < 64 && strspn(type, "abcdefghijklmnopqrstuvwxyz_") == len ? type : NULL;
}

/* What a client wrote into its request says nothing about its death. */
static void say_why(const struct og_message *m, struct death *d, char words[static WORDS_MAX])
{
	const char *queue = og_message_text(m, "x-first-death-queue");
	const char *reason = og_message_text(m, "x-first-death-reason"), *said = og_message_text(m, "og-reason");
	bool was_submit = queue && !strcmp(queue, OG_Q_INTAKE);

	d->state = OG_STATE_DEAD;
	d->type = was_submit ? NULL : type_of(m);
	d->words = words;
	if (d->type) {
		snprintf(words, WORDS_MAX, "%.1000s", said && *said ? said : d->type);
	} else if (was_submit && reason && !strcmp(reason, "expired")) {
		d->state = OG_STATE_EXPIRED;
		d->type = "expired";
		d->words = "its message expired before a scheduler took it";
	} else if (queue && reason) {
		d->type = !strcmp(reason, "delivery_limit") ? "worker_lost" : "broker_rejected";
		snprintf(words, WORDS_MAX, "the broker gave it up: %.60s in %.120s", reason, queue);
	} else {
		d->type = "unknown";
		d->words = "nobody said why";
	}
}

static void find_owner(const struct og_scheduler *s, const struct og_message *m, struct death *d)
{
	bool trusted = d->believed = og_answer_owner(s, m, &d->submitter, &d->tenant);

	d->placed = trusted && og_answer_has_lease(s, m);
	d->reply = NULL;
	/* A worker's own word without a lease is about nothing that we placed. */
	if (!trusted && m->user_id && og_role_of_user(m->user_id) == OG_ROLE_WORKER)
		return;
	if (id_of(m) && m->reply_to && d->submitter && og_reply_valid(m->reply_to) &&
		og_reply_belongs_to(m->reply_to, d->submitter))
		d->reply = m->reply_to;
}

json_t *og_dying_tried(const struct og_scheduler *s, const char *tried)
{
	json_t *list = json_array();
	size_t len;

	for (const char *at = tried; at && *at; at += len + (at[len] == ',')) {
		og_autofree char *id = og_strndup(at, len = strcspn(at, ","));
		const struct og_node *node;

		HASH_FIND_STR(s->plan.nodes.nodes, id, node);
		json_array_append_new(list,
			json_pack("{s:o, s:o}", "id", og_json_text(id), "name", og_json_text(node ? node->name : "")));
	}
	return list;
}

/* --- life --- */

static void unlink_it(struct og_dying *x)
{
	DL_DELETE(x->s->term->dying, x);
	x->s->term->n_dead_waiting -= x->refused;
}

static void dying_free(struct og_dying *x)
{
	if (!x->orphaned)
		unlink_it(x);
	free(x->m);
	free(x);
}

static void set_refused(struct og_dying *x, bool refused)
{
	x->s->term->n_dead_waiting += (unsigned)refused - (unsigned)x->refused;
	x->refused = refused;
}

unsigned og_dying_waiting(const struct og_scheduler *s)
{
	return s->term->n_dead_waiting;
}

/* --- keeping --- */

static void forget_body(struct og_dying *x)
{
	struct og_entry *e = og_index_find(x->s->plan.index, x->id);

	if (e && e->where == OG_WHERE_ENDED)
		og_answer_forget(x->s, e);
}

/* There is room in og.dead: those that were refused are read again. */
static void read_again(struct og_scheduler *s)
{
	struct og_dying *x, *tmp;

	DL_FOREACH_SAFE(s->term->dying, x, tmp)
	{
		if (x->m)
			continue;
		og_amqp_reject(x->source.from, x->source.epoch, x->source.tag, true);
		dying_free(x);
	}
}

static void refuse(struct og_dying *x)
{
	struct og_term *t = x->s->term;
	bool first = !t->n_dead_waiting;
	int64_t now = og_clock_mono_ms();

	if (!t->dead_warned || now - t->dead_warned >= WARN_EVERY_MS) {
		t->dead_warned = now;
		og_error_log(
			"the queue of dead letters is full: what dies waits in og.dead.intake; look with og dead list, "
			"then requeue or drop some, or raise scheduler.dead_max_jobs and run og-broker-config apply",
			NULL);
	}
	if (first || x->refused)
		x->due = now + FULL_MS;
	else
		free(OG_TAKE(x->m));
	set_refused(x, true);
}

static void on_kept(void *ctx, enum og_settled how)
{
	struct og_dying *x = ctx;
	struct og_scheduler *s = x->s;
	bool waited = x->refused;

	x->publishing = false;
	if (x->orphaned || how == OG_LOST) { /* lost: the term is about to end */
		dying_free(x);
	} else if (how == OG_CONFIRMED) {
		og_source_ack(&x->source);
		forget_body(x);
		dying_free(x);
		if (waited)
			read_again(s);
	} else if (how == OG_NACKED) {
		refuse(x);
	} else {
		og_error_log("a queue is missing: run og-broker-config apply", "queue=%s", OG_Q_DEAD);
		x->due = og_clock_mono_ms() + FULL_MS;
	}
}

static void keep(struct og_dying *x)
{
	char words[WORDS_MAX];
	struct og_error err;
	struct death d;
	struct og_message out;

	say_why(x->m, &d, words);
	find_owner(x->s, x->m, &d);
	const struct og_header ours[] = {{.name = "og-error", .text = d.type}, {.name = "og-reason", .text = d.words},
		{.name = "og-tenant", .text = d.tenant}, {.name = "og-submitter", .text = d.submitter},
		{.name = "og-attempt", .number = d.believed ? og_message_number(x->m, "og-attempt") : 0},
		{.name = "og-lease"}, {.name = "og-epoch"}, {.name = "og-not-before"}};

	og_answer_headers(x->m, ours, OG_COUNT(ours), &out);
	out.exchange = OG_X_DEAD;
	out.routing_key = OG_K_KEPT;
	out.timestamp_s = (uint64_t)(og_clock_wall_ms() / 1000);
	x->publishing = og_amqp_publish(x->s->lead, &out, OG_PUBLISH_MANDATORY, on_kept, x, &err) == 0;
	if (x->publishing)
		return;
	x->due = og_clock_mono_ms() + NO_ROOM_MS;
	if (err.kind == OG_INVALID) { /* it never can be: those behind it must not wait for ever */
		og_error_log(err.message, "id=%s", x->id);
		og_source_ack(&x->source);
		forget_body(x);
		dying_free(x);
	}
}

/* --- telling --- */

static void on_told(struct og_scheduler *s, void *ctx, bool returned)
{
	const struct og_source source = *(struct og_source *)ctx;
	struct og_dying *x;

	(void)returned;
	free(ctx);
	DL_FOREACH(s->term->dying, x)
	{
		if (x->telling && x->source.epoch == source.epoch && x->source.tag == source.tag)
			break;
	}
	if (!x)
		return;
	x->telling = false;
	keep(x);
}

static void tell(struct og_dying *x, const struct death *d)
{
	const struct og_message *m = x->m;
	struct og_scheduler *s = x->s;
	struct og_envelope about = {0};
	json_t *error = json_pack("{s:s, s:o}", "type", d->type, "message", og_json_text(d->words));
	og_autofree char *body = og_json_dump(json_pack("{s:o, s:o, s:I, s:I}", "error", error, "tried",
						      og_dying_tried(s, og_message_text(m, "og-tried")), "attempts",
						      (json_int_t)og_message_number(m, "og-attempt"), "deaths",
						      (json_int_t)og_message_number(m, "og-deaths")),
		0);

	if (og_envelope_decode(m, &about, NULL) != 0)
		about = (struct og_envelope){0};
	if (d->believed)
		og_recent_add(s->plan.recent, x->id, og_clock_mono_ms());
	x->telling = true;
	og_answer_done(s,
		&(struct og_envelope){.id = x->id,
			.reply_to = d->reply,
			.tier = about.tier,
			.class_name = about.class_name,
			.tenant = d->tenant,
			.submitter = d->submitter,
			.accepted_ms = d->placed && about.accepted_ms
	                                       ? about.accepted_ms
	                                       : og_stamp_refused(&s->stamps, og_clock_wall_ms())},
		d->state, d->type, body, on_told, og_memdup(&x->source, sizeof(x->source)));
}

/* Nobody needs to hear of it: it has ended otherwise, or its submitter knows already. */
static bool is_known(const struct og_dying *x, const struct og_entry *e)
{
	if (e)
		return e->where == OG_WHERE_ENDED;
	return og_recent_find(x->s->plan.recent, x->id, NULL);
}

static void begin(struct og_dying *x)
{
	struct og_entry *e = og_index_find(x->s->plan.index, x->id);
	char words[WORDS_MAX], id[64], user[128], why[600];
	struct death d;

	/* Another attempt of it has begun since, which this does not end. */
	if (e && e->attempt && og_message_number(x->m, "og-attempt") &&
		og_message_number(x->m, "og-attempt") < e->attempt && og_answer_has_lease(x->s, x->m)) {
		og_source_ack(&x->source);
		dying_free(x);
		return;
	}
	say_why(x->m, &d, words);
	find_owner(x->s, x->m, &d);
	og_warn("a dead letter", "id=%s user=%s error=%s why=%s", og_log_quote(x->id, id, sizeof(id)),
		og_log_quote(d.submitter ? d.submitter : "", user, sizeof(user)), d.type,
		og_log_quote(d.words, why, sizeof(why)));
	if (d.reply && !was_told(d.type) && !is_known(x, e))
		tell(x, &d);
	else
		keep(x);
}

void og_dying_take(void *ctx, const struct og_message *m, uint64_t epoch)
{
	struct og_scheduler *s = ctx;
	struct og_dying *x;

	if (s->draining)
		return;
	x = og_new(struct og_dying);
	*x = (struct og_dying){.s = s,
		.term = s->term->serial,
		.source = {.from = s->term->intake.amqp, .epoch = epoch, .tag = m->delivery_tag},
		.m = og_message_copy(m)};
	snprintf(x->id, sizeof(x->id), "%s", id_of(m) ? id_of(m) : "");
	DL_APPEND(s->term->dying, x);
	begin(x);
}

void og_dying_tick(struct og_scheduler *s, int64_t now)
{
	struct og_dying *x, *tmp;

	if (s->draining)
		return;
	DL_FOREACH_SAFE(s->term->dying, x, tmp)
	{
		if (x->m && !x->telling && !x->publishing && x->due <= now)
			keep(x);
	}
}

/* --- ends --- */

void og_dying_lost(struct og_scheduler *s)
{
	struct og_dying *x, *tmp;

	DL_FOREACH_SAFE(s->term->dying, x, tmp)
	{
		if (!x->publishing) {
			dying_free(x);
			continue;
		}
		unlink_it(x);
		x->orphaned = true;
	}
}

void og_dying_drop(struct og_scheduler *s)
{
	og_dying_lost(s);
}
