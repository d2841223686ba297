/* Dead letters: what there is, one of them, again, and away with it. */
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/parse.h"
#include "model/json.h"
#include "shell/dead.h"
#include "shell/dying.h"

#define LETTERS_USUAL 50
#define LETTERS_MAX   1000

static const char *text_of(const json_t *args, const char *key)
{
	return json_string_value(json_object_get(args, key));
}

/* The tier's own id, whatever it is called. */
static const char *tier_of(const struct og_scheduler *s, const char *name)
{
	const struct og_tier *t = name ? og_catalogue_find(s->catalogue, name) : NULL;

	return t ? t->id : name;
}

static bool same(const char *wanted, const char *is)
{
	return !wanted || (is && !strcmp(wanted, is));
}

static int64_t died_ms(const struct og_message *m)
{
	return (int64_t)m->timestamp_s * 1000;
}

bool og_dead_fits(const struct og_walk *w, const struct og_message *m, const struct og_envelope *e)
{
	const struct og_scheduler *s = w->q->s;
	const char *tenant = w->q->sees_all ? text_of(w->args, "tenant") : w->q->tenant;
	int64_t older = json_integer_value(json_object_get(w->args, "older_ms"));

	return same(tenant, e->tenant) && same(text_of(w->args, "id"), e->id) &&
	       same(text_of(w->args, "error"), e->error_type) &&
	       same(tier_of(s, text_of(w->args, "tier")), tier_of(s, e->tier)) &&
	       (!older || og_clock_wall_ms() - died_ms(m) > older);
}

json_t *og_dead_object(const struct og_scheduler *s, const struct og_message *m, const struct og_envelope *e, bool body)
{
	json_t *object = json_pack("{s:I, s:I, s:o, s:I, s:I, s:I}", "attempts", (json_int_t)e->attempt, "deaths",
		(json_int_t)e->deaths, "tried", og_dying_tried(s, e->tried), "accepted_ms", (json_int_t)e->accepted_ms,
		"died_ms", (json_int_t)died_ms(m), "bytes", (json_int_t)m->body_len);

	og_json_set_text(object, "id", e->id);
	og_json_set_text(object, "error", e->error_type);
	og_json_set_text(object, "reason", e->reason);
	og_json_set_text(object, "tier", e->tier);
	og_json_set_text(object, "class", e->class_name ? e->class_name : og_class_name(OG_CLASS_NORMAL));
	og_json_set_text(object, "tenant", e->tenant);
	if (body) {
		og_autofree char *text = m->body_len ? og_strndup(m->body, m->body_len) : og_strdup("");

		og_json_set_text(object, "body", text);
	}
	return object;
}

/* --- answers --- */

static void answer_taken(struct og_walk *w, const char *what)
{
	size_t n = w->verb == OG_DEAD_DROP ? w->total : w->total - w->conflicts - w->refused;
	bool named = text_of(w->args, "id");

	if (!w->total && named) {
		og_rpc_fail(w->q, "not_found", "there is no dead letter of that id");
	} else if (!n && w->conflicts) {
		og_rpc_fail(w->q, "conflict", "a job of that id lives");
	} else if (!n && w->refused) {
		og_rpc_fail(w->q, w->why_type, w->why);
	} else {
		json_t *answer = json_pack("{s:I, s:O}", what, (json_int_t)n, "ids", w->ids);

		if (w->conflicts + w->refused)
			json_object_set_new(answer, "left", json_integer((json_int_t)(w->conflicts + w->refused)));
		if (w->refused)
			og_json_set_text(answer, "why", w->why);
		og_rpc_answer(w->q, answer);
	}
}

void og_dead_answer(struct og_walk *w)
{
	switch (w->verb) {
	case OG_DEAD_LIST:
		og_rpc_answer(w->q, json_pack("{s:O, s:I}", "dead", w->letters, "total", (json_int_t)w->total));
		break;
	case OG_DEAD_SHOW:
		if (w->total)
			og_rpc_answer(w->q, json_pack("{s:O}", "dead", json_array_get(w->letters, 0)));
		else
			og_rpc_fail(w->q, "not_found", "there is no dead letter of that id");
		break;
	case OG_DEAD_REQUEUE:
		answer_taken(w, "requeued");
		break;
	case OG_DEAD_DROP:
		answer_taken(w, "dropped");
		break;
	}
}

/* --- questions --- */

static bool check_filters(struct og_question *q, const json_t *args)
{
	static const char *const texts[] = {"id", "tier", "error", "tenant"};
	const json_t *older = json_object_get(args, "older_ms");

	for (size_t i = 0; i < OG_COUNT(texts); i++) {
		const json_t *x = json_object_get(args, texts[i]);

		if (x && !json_is_string(x)) {
			og_rpc_fail(q, "invalid_request", "\"id\", \"tier\", \"error\" and \"tenant\" are texts");
			return false;
		}
	}
	if (older && (!json_is_integer(older) || json_integer_value(older) < 0)) {
		og_rpc_fail(q, "invalid_request", "\"older_ms\" is no number of milliseconds");
		return false;
	}
	return true;
}

void og_rpc_dead_list(struct og_question *q, const json_t *args)
{
	const json_t *limit = json_object_get(args, "limit");
	int64_t n = limit ? json_integer_value(limit) : LETTERS_USUAL;

	if (n < 1 || n > LETTERS_MAX)
		og_rpc_fail(q, "invalid_request", "\"limit\" is not within 1 and 1000");
	else if (check_filters(q, args))
		og_dead_ask(q, OG_DEAD_LIST, args, n);
}

void og_rpc_dead_show(struct og_question *q, const json_t *args)
{
	if (check_filters(q, args))
		og_dead_ask(q, OG_DEAD_SHOW, args, 1);
}

static void ask_for_some(struct og_question *q, enum og_dead_verb verb, const json_t *args)
{
	const char *id = text_of(args, "id");

	if (!check_filters(q, args))
		return;
	if (id ? !og_uuid_valid(id) : !json_is_true(json_object_get(args, "all")))
		og_rpc_fail(q, "invalid_request", "name one by \"id\", or say \"all\": true");
	else
		og_dead_ask(q, verb, args, 0);
}

void og_rpc_dead_requeue(struct og_question *q, const json_t *args)
{
	ask_for_some(q, OG_DEAD_REQUEUE, args);
}

void og_rpc_dead_drop(struct og_question *q, const json_t *args)
{
	ask_for_some(q, OG_DEAD_DROP, args);
}
