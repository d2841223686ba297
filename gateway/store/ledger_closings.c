/* What ended, and has to be told to the store: settled or refunded.
 *
 * Told in the order in which it ended, many in one call: for Redis a call is most of what one of them costs, and each ends with an fsync.
 * So what frees nothing, as no limit counts it, waits up to HOLD_MS for company. One whose answer was lost with the connection
 * goes to the end of the queue and is told again: the script does nothing twice. */
#include "store/ledger.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "store/args.h"
#include "store/ledger_state.h"
#include "store/scripts.h"

#define KEPT_MAX   65536
#define FLYING_MAX 1024
#define CALL_MAX   64 /* of a call: Redis does nothing else meanwhile */
#define HOLD_MS    10
#define FIELDS     9

/* A settle, or (model NULL) a refund. */
struct og_closing {
	STAILQ_ENTRY(og_closing) next;
	char job[OG_ID_LEN + 1], mark[OG_MARK_MAX];
	char key[OG_KEY_ID_LEN + 1];
	char *tenant, *model;
	char prompt_tokens[24], completion_tokens[24];
	bool replayed, left, reserved;
};

/* Those of one call. */
struct call {
	struct og_gateway_store *store;
	struct og_closing *closings[CALL_MAX];
	size_t n;
};

static void closing_free(struct og_closing *c)
{
	free(c->tenant);
	free(c->model);
	free(c);
}

static void enqueue(struct og_ledger *l, struct og_closing *c)
{
	STAILQ_INSERT_TAIL(&l->queue, c, next);
	l->n_queued++;
}

static struct og_closing *dequeue(struct og_ledger *l)
{
	struct og_closing *c = STAILQ_FIRST(&l->queue);

	if (c) {
		STAILQ_REMOVE_HEAD(&l->queue, next);
		l->n_queued--;
	}
	return c;
}

void og_ledger_free_queue(struct og_ledger *l)
{
	struct og_closing *c;

	while ((c = dequeue(l)))
		closing_free(c);
}

/* ---- a call ---- */

/* `why`: 0, or how it failed. */
static void one_told(struct og_gateway_store *s, struct og_closing *c, enum og_kind why)
{
	if (why == OG_RETRY && !s->closing) {
		enqueue(s->ledger, c);
		return;
	}
	s->ledger->lost += why != 0;
	closing_free(c);
}

static void on_told(void *ctx, const struct og_redis_reply *reply, const struct og_error *err)
{
	struct call *call = ctx;
	struct og_gateway_store *s = call->store;
	bool again = false;

	s->ledger->n_flying -= call->n;
	for (size_t i = 0; i < call->n; i++) {
		const struct og_redis_reply *own = reply && i < reply->n ? reply->items[i] : NULL;
		enum og_kind why = err ? err->kind : 0;

		if (own && own->type == OG_REPLY_ERROR)
			why = og_redis_error_kind(own->str);
		again = again || why == OG_RETRY;
		one_told(s, call->closings[i], why);
	}
	free(call);
	if (!again)
		og_ledger_pump(s);
}

static const char *how(const struct og_closing *c)
{
	if (!c->model)
		return "refund";
	return c->left ? "left" : c->replayed ? "replayed" : "";
}

static void add_fields(const struct og_closing *c, const char **argv)
{
	const char *fields[FIELDS] = {c->job, c->mark, c->key, c->tenant, c->model, c->prompt_tokens,
		c->completion_tokens, how(c), c->reserved ? "reserved" : ""};

	for (size_t i = 0; i < FIELDS; i++)
		argv[i] = fields[i] ? fields[i] : "";
}

/* The first ones of the queue; they stay in it where the connection takes no more. */
static int tell(struct og_gateway_store *s)
{
	struct og_ledger *l = s->ledger;
	const char *argv[2 + CALL_MAX * FIELDS];
	struct call *call = og_new(struct call);
	struct og_closing *c;
	char now[24];

	call->store = s;
	argv[0] = s->prefix;
	argv[1] = og_store_clock(s, now);
	STAILQ_FOREACH(c, &l->queue, next)
	{
		add_fields(c, argv + 2 + call->n * FIELDS);
		call->closings[call->n++] = c;
		if (call->n == CALL_MAX)
			break;
	}
	if (og_redis_eval(
		    s->redis, &og_script_close, 1, (int)(2 + call->n * FIELDS), argv, NULL, on_told, call, NULL) != 0) {
		free(call);
		return -1;
	}
	for (size_t i = 0; i < call->n; i++)
		dequeue(l);
	l->n_flying += call->n;
	return 0;
}

void og_ledger_pump(struct og_gateway_store *s)
{
	struct og_ledger *l = s->ledger;

	uv_timer_stop(&l->due);
	while (s->up && l->n_queued && l->n_flying < FLYING_MAX && tell(s) == 0)
		;
}

void og_ledger_close(struct og_ledger *l, uv_close_cb cb)
{
	uv_close((uv_handle_t *)&l->due, cb);
}

/* ---- what ends ---- */

static void on_due(uv_timer_t *due)
{
	og_ledger_pump(due->data);
}

static void add(struct og_gateway_store *s, struct og_closing *c, bool may_wait)
{
	struct og_ledger *l = s->ledger;

	if (l->n_queued + l->n_flying >= KEPT_MAX || s->closing) {
		l->lost++;
		closing_free(c);
		return;
	}
	enqueue(l, c);
	if (!may_wait || l->n_queued >= CALL_MAX)
		og_ledger_pump(s);
	else if (!uv_is_active((uv_handle_t *)&l->due))
		uv_timer_start(&l->due, on_due, HOLD_MS, 0);
}

/* Rows of usage are told apart by tabs. */
static char *plain(const char *text)
{
	char *out = og_strndup(text, OG_NAME_MAX - 1);

	for (char *at = out; *at; at++)
		if ((unsigned char)*at < ' ')
			*at = '_';
	return out;
}

void og_ledger_settle(struct og_gateway_store *s, const struct og_settlement *settlement)
{
	struct og_closing *c = og_new(struct og_closing);
	const struct og_booking *b = og_ledger_booking(s->ledger, settlement->job);

	if (b && settlement->left)
		memcpy(c->mark, b->mark, sizeof(c->mark));
	snprintf(c->job, sizeof(c->job), "%s", settlement->job);
	snprintf(c->key, sizeof(c->key), "%s", settlement->key);
	c->tenant = plain(settlement->tenant);
	c->model = plain(settlement->model);
	snprintf(c->prompt_tokens, sizeof(c->prompt_tokens), "%" PRId64, settlement->prompt_tokens);
	snprintf(c->completion_tokens, sizeof(c->completion_tokens), "%" PRId64, settlement->completion_tokens);
	c->replayed = settlement->replayed;
	c->left = settlement->left;
	c->reserved = og_ledger_drop_booking(s->ledger, settlement->job, !settlement->left);
	add(s, c, !c->reserved);
}

void og_ledger_take_back(struct og_gateway_store *s, const char *job, const char *mark)
{
	struct og_closing *c = og_new(struct og_closing);

	snprintf(c->job, sizeof(c->job), "%s", job);
	snprintf(c->mark, sizeof(c->mark), "%s", mark);
	add(s, c, false);
}

void og_ledger_refund(struct og_gateway_store *s, const char *job)
{
	const struct og_booking *b = og_ledger_booking(s->ledger, job);
	char mark[OG_MARK_MAX] = "";

	if (b)
		memcpy(mark, b->mark, sizeof(mark));
	og_ledger_drop_booking(s->ledger, job, false);
	og_ledger_take_back(s, job, mark);
}

uint64_t og_ledger_lost(const struct og_gateway_store *s)
{
	return s->ledger->lost;
}

bool og_ledger_is_idle(const struct og_gateway_store *s)
{
	return !s->ledger->n_queued && !s->ledger->n_flying;
}
