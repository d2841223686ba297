/* What this process has reserved, and what it has still to tell the store.
 *
 * A settle or a refund is queued and sent in its order while the store is up; one whose answer was lost with the connection goes to
 * the end of the queue and is sent again: the scripts do nothing twice. A reserve whose answer was lost is taken back the same way,
 * by its mark, so that it takes back nothing that somebody reserved since. */
#include "store/ledger.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/backoff.h"
#include "store/args.h"
#include "store/ledger_state.h"
#include "store/scripts.h"

#define KEPT_MAX   65536
#define FLYING_MAX 1024

/* A settle, or (model NULL) a refund. */
struct og_closing {
	STAILQ_ENTRY(og_closing) next;
	struct og_gateway_store *store;
	char job[OG_ID_LEN + 1], mark[OG_MARK_MAX];
	char key[OG_KEY_ID_LEN + 1];
	char *tenant, *model;
	int64_t prompt_tokens, completion_tokens;
	bool replayed, left, reserved;
};

struct og_ledger *og_ledger_new(struct og_gateway_store *s)
{
	struct og_ledger *l = og_new(struct og_ledger);

	(void)s;
	STAILQ_INIT(&l->queue);
	og_random_hex(l->process, sizeof(l->process) - 1);
	return l;
}

static void closing_free(struct og_closing *c)
{
	free(c->tenant);
	free(c->model);
	free(c);
}

struct og_booking *og_ledger_booking(const struct og_ledger *l, const char *job)
{
	struct og_booking *b;

	HASH_FIND_STR(l->bookings, job, b);
	return b;
}

/* The last one that was kept, or all of them. True: it had been reserved here. */
static bool drop_booking(struct og_ledger *l, const char *job, bool all)
{
	struct og_booking *b = og_ledger_booking(l, job);
	bool had = b != NULL;

	while (b) {
		struct og_booking *under = b->under;

		HASH_DEL(l->bookings, b);
		free(b);
		if (under)
			HASH_ADD_STR(l->bookings, job, under);
		b = all ? under : NULL;
	}
	return had;
}

void og_ledger_free(struct og_ledger *l)
{
	struct og_booking *b, *tmp;
	struct og_closing *c;

	if (!l)
		return;
	HASH_ITER(hh, l->bookings, b, tmp)
	{
		drop_booking(l, b->job, true);
	}
	while ((c = STAILQ_FIRST(&l->queue))) {
		STAILQ_REMOVE_HEAD(&l->queue, next);
		closing_free(c);
	}
	free(l);
}

/* ---- settle, refund ---- */

static void on_closed(void *ctx, const struct og_redis_reply *reply, const struct og_error *err)
{
	struct og_closing *c = ctx;
	struct og_gateway_store *s = c->store;
	struct og_ledger *l = s->ledger;

	(void)reply;
	l->n_flying--;
	if (err && err->kind == OG_RETRY && !s->closing) {
		STAILQ_INSERT_TAIL(&l->queue, c, next);
		l->n_queued++;
	} else {
		l->lost += err != NULL;
		closing_free(c);
	}
	if (!err || err->kind != OG_RETRY)
		og_ledger_pump(s);
}

static int send_closing(struct og_closing *c)
{
	struct og_args a;

	og_args_begin(c->store, &a);
	og_args_add(&a, c->job);
	if (!c->model) {
		og_args_add(&a, c->mark);
		return og_args_eval(c->store, &og_script_refund, &a, on_closed, c, NULL);
	}
	og_args_add(&a, c->key);
	og_args_add(&a, c->tenant);
	og_args_add(&a, c->model);
	og_args_add_number(&a, c->prompt_tokens);
	og_args_add_number(&a, c->completion_tokens);
	og_args_add(&a, c->left ? "left" : c->replayed ? "replayed" : "");
	og_args_add(&a, c->reserved ? "reserved" : "");
	og_args_add(&a, c->mark);
	return og_args_eval(c->store, &og_script_settle, &a, on_closed, c, NULL);
}

void og_ledger_pump(struct og_gateway_store *s)
{
	struct og_ledger *l = s->ledger;
	struct og_closing *c;

	while (s->up && l->n_flying < FLYING_MAX && (c = STAILQ_FIRST(&l->queue)) && send_closing(c) == 0) {
		STAILQ_REMOVE_HEAD(&l->queue, next);
		l->n_queued--;
		l->n_flying++;
	}
}

static void add_closing(struct og_gateway_store *s, struct og_closing *c)
{
	struct og_ledger *l = s->ledger;

	c->store = s;
	if (l->n_queued + l->n_flying >= KEPT_MAX || s->closing) {
		l->lost++;
		closing_free(c);
		return;
	}
	STAILQ_INSERT_TAIL(&l->queue, c, next);
	l->n_queued++;
	og_ledger_pump(s);
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
	c->prompt_tokens = settlement->prompt_tokens;
	c->completion_tokens = settlement->completion_tokens;
	c->replayed = settlement->replayed;
	c->left = settlement->left;
	c->reserved = drop_booking(s->ledger, settlement->job, !settlement->left);
	add_closing(s, c);
}

static void refund(struct og_gateway_store *s, const char *job, const char *mark)
{
	struct og_closing *c = og_new(struct og_closing);

	snprintf(c->job, sizeof(c->job), "%s", job);
	snprintf(c->mark, sizeof(c->mark), "%s", mark);
	add_closing(s, c);
}

void og_ledger_refund(struct og_gateway_store *s, const char *job)
{
	const struct og_booking *b = og_ledger_booking(s->ledger, job);
	char mark[OG_MARK_MAX] = "";

	if (b)
		memcpy(mark, b->mark, sizeof(mark));
	drop_booking(s->ledger, job, false);
	refund(s, job, mark);
}

void og_ledger_leave(struct og_gateway_store *s, const char *job)
{
	drop_booking(s->ledger, job, false);
}

uint64_t og_ledger_lost(const struct og_gateway_store *s)
{
	return s->ledger->lost;
}

bool og_ledger_is_idle(const struct og_gateway_store *s)
{
	return !s->ledger->n_queued && !s->ledger->n_flying;
}

/* ---- reserve ---- */

struct reserving {
	struct og_gateway_store *store;
	struct og_booking *booking;
	og_reserved_cb *cb;
	void *ctx;
};

static void keep(struct og_ledger *l, struct og_booking *b)
{
	b->under = og_ledger_booking(l, b->job);
	if (b->under)
		HASH_DEL(l->bookings, b->under);
	HASH_ADD_STR(l->bookings, job, b);
}

static void on_reserved(void *ctx, const struct og_redis_reply *reply, const struct og_error *err)
{
	struct reserving *r = ctx;
	struct og_reserved answer = {0};
	struct og_error gone = {0};

	if (err) {
		if (err->kind == OG_RETRY && !r->store->closing)
			refund(r->store, r->booking->job, r->booking->mark);
	} else if (og_reply_number(reply, 0) < 0) {
		og_error_set(&gone, OG_INVALID, "this API key was revoked");
		err = &gone;
	} else {
		answer.refused = (enum og_limit)og_reply_number(reply, 0);
		answer.of_tenant = og_reply_number(reply, 1) != 0;
		answer.limit = og_reply_number(reply, 2);
		answer.retry_after_s = og_reply_number(reply, 3);
		if (!answer.refused)
			keep(r->store->ledger, OG_TAKE(r->booking));
	}
	r->cb(r->ctx, err ? NULL : &answer, err);
	free(r->booking);
	free(r);
}

int og_ledger_reserve(struct og_gateway_store *s, const char *job, const struct og_key *key, int64_t tokens,
	og_reserved_cb *cb, void *ctx, struct og_error *err)
{
	struct reserving *r = og_new(struct reserving);
	struct og_args a;

	*r = (struct reserving){s, og_new(struct og_booking), cb, ctx};
	snprintf(r->booking->job, sizeof(r->booking->job), "%s", job);
	snprintf(r->booking->mark, sizeof(r->booking->mark), "%s.%" PRIu64, s->ledger->process, ++s->ledger->marks);
	og_args_begin(s, &a);
	og_args_add(&a, job);
	og_args_add(&a, key->id);
	og_args_add(&a, key->tenant);
	og_args_add_number(&a, tokens);
	og_args_add(&a, r->booking->mark);
	og_args_add_number(&a, s->config.lease_ms);
	if (og_args_eval(s, &og_script_reserve, &a, on_reserved, r, err) == 0)
		return 0;
	free(r->booking);
	free(r);
	return -1;
}

const char *og_limit_name(enum og_limit limit)
{
	static const char *const names[] = {
		[OG_LIMIT_NONE] = "",
		[OG_LIMIT_REQUESTS] = "requests_per_minute",
		[OG_LIMIT_TOKENS] = "tokens_per_minute",
		[OG_LIMIT_RUNNING] = "running",
		[OG_LIMIT_BUDGET] = "budget",
	};

	return names[limit];
}

char *og_reserved_words(const struct og_reserved *r)
{
	static const char *const words[] = {
		[OG_LIMIT_NONE] = "",
		[OG_LIMIT_REQUESTS] = "requests a minute",
		[OG_LIMIT_TOKENS] = "tokens a minute",
		[OG_LIMIT_RUNNING] = "requests at once",
	};
	const char *whose = r->of_tenant ? "tenant" : "key";

	if (!r->refused)
		return og_strdup("");
	if (r->refused == OG_LIMIT_BUDGET)
		return og_printf("this %s's budget of %" PRId64
				 " tokens has no room for all that this request may take: ask for less by max_tokens%s",
			whose, r->limit, r->retry_after_s ? ", or wait until the budget begins anew" : "");
	return og_printf("this %s's limit of %" PRId64 " %s is reached", whose, r->limit, words[r->refused]);
}
