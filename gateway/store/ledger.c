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
#include <sys/queue.h>
#include <uthash.h>

#include "base/alloc.h"
#include "base/backoff.h"
#include "base/clock.h"
#include "store/args.h"
#include "store/scripts.h"
#include "store/store_state.h"

#define KEPT_MAX   65536
#define FLYING_MAX 1024
#define RENEW_MAX  500 /* jobs a call */
#define ORPHANS    100 /* likewise */
#define MARK_MAX   40

/* Reserved by this process, and neither settled nor refunded by it. */
struct booking {
	UT_hash_handle hh;
	char mark[MARK_MAX];
	char job[OG_ID_LEN + 1];
};

/* A settle, or (model NULL) a refund. */
struct closing {
	STAILQ_ENTRY(closing) next;
	struct og_gateway_store *store;
	char job[OG_ID_LEN + 1], mark[MARK_MAX];
	char key[OG_KEY_ID_LEN + 1];
	char *tenant, *model;
	int64_t prompt_tokens, completion_tokens;
	bool replayed, reserved;
};

struct og_ledger {
	struct booking *bookings;
	STAILQ_HEAD(, closing) queue;
	size_t n_queued, n_flying;
	uint64_t lost, marks;
	char process[17];      /* a part of its marks */
	int64_t look_from_ms;  /* for orphans: the others renew first, when the store comes back */
	bool looking, pumping; /* a question about orphans is under way; the queue is being sent */
};

struct og_ledger *og_ledger_new(struct og_gateway_store *s)
{
	struct og_ledger *l = og_new(struct og_ledger);

	(void)s;
	STAILQ_INIT(&l->queue);
	og_random_hex(l->process, sizeof(l->process) - 1);
	return l;
}

static void closing_free(struct closing *c)
{
	free(c->tenant);
	free(c->model);
	free(c);
}

void og_ledger_free(struct og_ledger *l)
{
	struct booking *b, *tmp;
	struct closing *c;

	if (!l)
		return;
	HASH_ITER(hh, l->bookings, b, tmp)
	{
		HASH_DEL(l->bookings, b);
		free(b);
	}
	while ((c = STAILQ_FIRST(&l->queue))) {
		STAILQ_REMOVE_HEAD(&l->queue, next);
		closing_free(c);
	}
	free(l);
}

/* ---- settle, refund ---- */

static void pump(struct og_gateway_store *s);

static void on_closed(void *ctx, const struct og_redis_reply *reply, const struct og_error *err)
{
	struct closing *c = ctx;
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
	if (!err)
		pump(s);
}

static int send_closing(struct closing *c)
{
	struct og_args a;
	char now[24];

	og_args_begin(c->store, &a);
	og_args_add(&a, og_store_clock(c->store, now));
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
	og_args_add(&a, c->replayed ? "replayed" : "");
	og_args_add(&a, c->reserved ? "reserved" : "");
	return og_args_eval(c->store, &og_script_settle, &a, on_closed, c, NULL);
}

/* Answers bring it on; where the connection takes no more, and where the store is away, its coming back does. */
static void pump(struct og_gateway_store *s)
{
	struct og_ledger *l = s->ledger;
	struct closing *c;

	while (s->up && l->n_flying < FLYING_MAX && (c = STAILQ_FIRST(&l->queue)) && send_closing(c) == 0) {
		STAILQ_REMOVE_HEAD(&l->queue, next);
		l->n_queued--;
		l->n_flying++;
	}
}

static void add_closing(struct og_gateway_store *s, struct closing *c)
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
	pump(s);
}

static struct booking *find_booking(const struct og_ledger *l, const char *job)
{
	struct booking *b;

	HASH_FIND_STR(l->bookings, job, b);
	return b;
}

/* True: it had been reserved here. */
static bool drop_booking(struct og_ledger *l, const char *job)
{
	struct booking *b = find_booking(l, job);

	if (!b)
		return false;
	HASH_DEL(l->bookings, b);
	free(b);
	return true;
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
	struct closing *c = og_new(struct closing);

	snprintf(c->job, sizeof(c->job), "%s", settlement->job);
	snprintf(c->key, sizeof(c->key), "%s", settlement->key);
	c->tenant = plain(settlement->tenant);
	c->model = plain(settlement->model);
	c->prompt_tokens = settlement->prompt_tokens;
	c->completion_tokens = settlement->completion_tokens;
	c->replayed = settlement->replayed;
	c->reserved = drop_booking(s->ledger, settlement->job);
	add_closing(s, c);
}

static void refund(struct og_gateway_store *s, const char *job, const char *mark)
{
	struct closing *c = og_new(struct closing);

	snprintf(c->job, sizeof(c->job), "%s", job);
	snprintf(c->mark, sizeof(c->mark), "%s", mark);
	add_closing(s, c);
}

void og_ledger_refund(struct og_gateway_store *s, const char *job)
{
	const struct booking *b = find_booking(s->ledger, job);
	char mark[MARK_MAX] = "";

	if (b)
		memcpy(mark, b->mark, sizeof(mark));
	drop_booking(s->ledger, job);
	refund(s, job, mark);
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
	struct booking *booking;
	og_reserved_cb *cb;
	void *ctx;
};

static void keep(struct og_ledger *l, struct booking *b)
{
	drop_booking(l, b->job);
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
	char now[24];

	*r = (struct reserving){s, og_new(struct booking), cb, ctx};
	snprintf(r->booking->job, sizeof(r->booking->job), "%s", job);
	snprintf(r->booking->mark, sizeof(r->booking->mark), "%s.%" PRIu64, s->ledger->process, ++s->ledger->marks);
	og_args_begin(s, &a);
	og_args_add(&a, og_store_clock(s, now));
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
		[OG_LIMIT_BUDGET] = "tokens, its budget,",
	};
	const char *whose = r->of_tenant ? "tenant" : "key";

	if (!r->refused)
		return og_strdup("");
	return og_printf("this %s's limit of %" PRId64 " %s is reached", whose, r->limit, words[r->refused]);
}

/* ---- leases ---- */

static void renew(struct og_gateway_store *s, const char *const *jobs, int n)
{
	const char *argv[RENEW_MAX + 3];
	char now[24], lease[24];

	snprintf(lease, sizeof(lease), "%" PRId64, s->config.lease_ms);
	argv[0] = s->prefix;
	argv[1] = og_store_clock(s, now);
	argv[2] = lease;
	memcpy(argv + 3, jobs, (size_t)n * sizeof(*jobs));
	og_redis_eval(s->redis, &og_script_renew, 1, n + 3, argv, NULL, NULL, NULL, NULL);
}

static void renew_all(struct og_gateway_store *s)
{
	const char *jobs[RENEW_MAX];
	struct booking *b, *tmp;
	int n = 0;

	HASH_ITER(hh, s->ledger->bookings, b, tmp)
	{
		jobs[n++] = b->job;
		if (n == RENEW_MAX) {
			renew(s, jobs, n);
			n = 0;
		}
	}
	if (n)
		renew(s, jobs, n);
}

static void on_orphans(void *ctx, const struct og_redis_reply *reply, const struct og_error *err)
{
	struct og_gateway_store *s = ctx;
	struct og_orphan orphans[ORPHANS];
	size_t n = 0;

	s->ledger->looking = false;
	for (size_t i = 0; !err && reply->type == OG_REPLY_ARRAY && i < reply->n && n < ORPHANS; i++) {
		const struct og_redis_reply *row = reply->items[i];

		if (!find_booking(s->ledger, og_reply_text(row, 0)))
			orphans[n++] = (struct og_orphan){
				.job = og_reply_text(row, 0),
				.key = og_reply_text(row, 1),
				.tenant = og_reply_text(row, 2),
				.tokens = og_reply_number(row, 3),
				.reserved_ms = og_reply_number(row, 4),
			};
	}
	if (n)
		s->config.on_orphans(s->config.ctx, orphans, n);
}

static void look_for_orphans(struct og_gateway_store *s)
{
	struct og_args a;
	char now[24];

	if (!s->config.on_orphans || s->ledger->looking || og_clock_mono_ms() < s->ledger->look_from_ms)
		return;
	og_args_begin(s, &a);
	og_args_add(&a, og_store_clock(s, now));
	og_args_add_number(&a, s->config.lease_ms);
	og_args_add_number(&a, ORPHANS);
	s->ledger->looking = og_args_eval(s, &og_script_orphans, &a, on_orphans, s, NULL) == 0;
}

void og_ledger_up(struct og_gateway_store *s)
{
	s->ledger->look_from_ms = og_clock_mono_ms() + s->config.lease_ms / 3;
	renew_all(s);
	pump(s);
}

void og_ledger_tick(struct og_gateway_store *s)
{
	renew_all(s);
	pump(s);
	look_for_orphans(s);
}
