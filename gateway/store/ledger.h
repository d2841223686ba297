/* The ledger: reserve, settle, refund. Each is one script in the store, so that several gateways and a death between two steps
 * neither let a limit be passed nor keep what was not used.
 *
 *                 reserve              settle
 *   (no booking) ────────▶ open ────────────────▶ settled ── 1 h ──▶ (no booking)
 *        ▲                 │  ▲                      ▲
 *        │          refund │  │ reserve              │ settle: what was used counts all the same
 *        └───── 1 h ──── refunded ───────────────────┘
 *
 * All by job id, and each may be repeated: the second does nothing. Of a key without limits (og_key_is_limited) only the settle
 * is needed, which is pipelined and waited for by nobody; a repeated one of those is noticed for 5 min. A limit that is set later
 * counts from then on what begins; a budget counts what was used before as well.
 *
 * A reservation has a lease of 30 s, which the process that made it renews while it lives. One that ran out is shown to some
 * living gateway (og_store_config.on_orphans), which settles it as the job's result says, or refunds it where there is none. */
#ifndef OG_GATEWAY_LEDGER_H
#define OG_GATEWAY_LEDGER_H

#include "store/key.h"
#include "store/store.h"

enum og_limit { OG_LIMIT_NONE, OG_LIMIT_REQUESTS, OG_LIMIT_TOKENS, OG_LIMIT_RUNNING, OG_LIMIT_BUDGET };

/* What a reservation came to. */
struct og_reserved {
	enum og_limit refused; /* OG_LIMIT_NONE: it is booked */
	bool of_tenant;        /* the tenant's limit, not the key's own */
	int64_t limit;         /* the figure that would have been passed */
	int64_t retry_after_s; /* when it may go: at least 1; of a budget, until it begins anew; 0: never by itself */
};

/* `answer` is NULL where `err` is not: RETRY (503; if it was booked all the same, that is taken back), or INVALID: the key was
 * revoked meanwhile (401). */
typedef void og_reserved_cb(void *ctx, const struct og_reserved *answer, const struct og_error *err);

/* `tokens`: of the prompt, estimated, and what the answer may have at most. A request for more tokens than the limit of a minute
 * goes when the minute is wholly unused, and those after it wait the longer. */
int og_ledger_reserve(struct og_gateway_store *s, const char *job, const struct og_key *key, int64_t tokens,
	og_reserved_cb *cb, void *ctx, struct og_error *err);

/* In words for the client, such as "the key's limit of 60 requests a minute is reached". The caller frees. */
char *og_reserved_words(const struct og_reserved *r);
const char *og_limit_name(enum og_limit limit); /* "requests_per_minute", …; "" for none */

struct og_settlement {
	const char *job;
	const char *key, *tenant; /* ids */
	const char *model;        /* under which it is counted */
	int64_t prompt_tokens, completion_tokens;
	/* It came as <reply>.result: the job was not run for this request. So a reservation that this request made is given back; one
	 * that was there already (its gateway died) is settled. */
	bool replayed;
	/* Its client has left. Where another request holds the same job, the job goes on and that one pays: then nothing is counted,
	 * and nothing freed. Of a key without limits nobody knows who holds it: so much is counted, and that one pays the rest. */
	bool left;
};

/* Counts what was used and frees what was reserved. Waited for by nobody: while the store is away up to 65,536 of them are kept
 * here; what is beyond that is left to the reservations' leases, and counted by og_ledger_lost. */
void og_ledger_settle(struct og_gateway_store *s, const struct og_settlement *settlement);
/* It never ran, or used nothing that is to be paid: everything is given back, once nobody else holds the same job. Kept likewise. */
void og_ledger_refund(struct og_gateway_store *s, const char *job);
/* Nobody here will know how it ended: its lease is no longer renewed, and whoever finds it run out closes it. Tells the store nothing. */
void og_ledger_leave(struct og_gateway_store *s, const char *job);

uint64_t og_ledger_lost(const struct og_gateway_store *s);
/* Nothing is left to be told to the store: a gateway that stops waits for it, for a while. */
bool og_ledger_is_idle(const struct og_gateway_store *s);

#endif
