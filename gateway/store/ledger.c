/* What this process has reserved. A reserve whose answer was lost with the connection is taken back by its mark, so that it takes
 * back nothing that somebody reserved since. */
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

struct og_ledger *og_ledger_new(struct og_gateway_store *s)
{
	struct og_ledger *l = og_new(struct og_ledger);

	uv_timer_init(s->loop, &l->due);
	l->due.data = s;
	STAILQ_INIT(&l->queue);
	og_random_hex(l->process, sizeof(l->process) - 1);
	return l;
}

struct og_booking *og_ledger_booking(const struct og_ledger *l, const char *job)
{
	struct og_booking *b;

	HASH_FIND_STR(l->bookings, job, b);
	return b;
}

bool og_ledger_drop_booking(struct og_ledger *l, const char *job, bool all)
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

	if (!l)
		return;
	HASH_ITER(hh, l->bookings, b, tmp)
	{
		og_ledger_drop_booking(l, b->job, true);
	}
	og_ledger_free_queue(l);
	free(l);
}

void og_ledger_leave(struct og_gateway_store *s, const char *job)
{
	og_ledger_drop_booking(s->ledger, job, false);
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
			og_ledger_take_back(r->store, r->booking->job, r->booking->mark);
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
	og_ledger_pump(s); /* what ended before counts before */
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
