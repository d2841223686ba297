/* Inside of the ledger: ledger.c has what is reserved, ledger_closings.c what ended and is to be told, ledger_leases.c keeps reservations
 * alive and looks for those that nobody does. */
#ifndef OG_GATEWAY_LEDGER_STATE_H
#define OG_GATEWAY_LEDGER_STATE_H

#include <sys/queue.h>
#include <uthash.h>

#include "model/names.h"
#include "store/store_state.h"

#define OG_MARK_MAX 40

/* Reserved by this process, and neither settled nor refunded by it. */
struct og_booking {
	UT_hash_handle hh;
	char mark[OG_MARK_MAX];
	char job[OG_ID_LEN + 1];
	struct og_booking *under; /* of the same job, by another request with the same idempotency key; or NULL */
};

struct og_closing;

struct og_ledger {
	struct og_booking *bookings;
	STAILQ_HEAD(, og_closing) queue;
	size_t n_queued, n_flying;
	uv_timer_t due; /* when what is queued has waited long enough */
	uint64_t lost, marks;
	char process[17];     /* a part of its marks */
	int64_t look_from_ms; /* for orphans: the others renew first, when the store comes back */
	bool looking;         /* a question about orphans is under way */
};

struct og_booking *og_ledger_booking(const struct og_ledger *l, const char *job); /* NULL: none of ours */
/* The last one that was kept, or all of them. True: it had been reserved here. */
bool og_ledger_drop_booking(struct og_ledger *l, const char *job, bool all);
void og_ledger_take_back(
	struct og_gateway_store *s, const char *job, const char *mark); /* a refund; mark "": whoever holds it */
void og_ledger_free_queue(struct og_ledger *l);
/* Sends what is queued. Answers bring it on; where the connection takes no more, and where the store is away, its coming back does. */
void og_ledger_pump(struct og_gateway_store *s);

#endif
