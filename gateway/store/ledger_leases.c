/* Leases: this process renews those of what it has reserved, and looks for those that have run out. When the store comes back after
 * a while away the leases of the living have run out too: so they are renewed at once, and nobody looks before others had the time. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "store/args.h"
#include "store/ledger_state.h"
#include "store/scripts.h"

#define RENEW_MAX 500 /* jobs a call */
#define ORPHANS   100 /* likewise */

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
	struct og_booking *b, *tmp;
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

		if (!og_ledger_booking(s->ledger, og_reply_text(row, 0)))
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

	if (!s->config.on_orphans || s->ledger->looking || og_clock_mono_ms() < s->ledger->look_from_ms)
		return;
	og_args_begin(s, &a);
	og_args_add_number(&a, s->config.lease_ms);
	og_args_add_number(&a, ORPHANS);
	s->ledger->looking = og_args_eval(s, &og_script_orphans, &a, on_orphans, s, NULL) == 0;
}

void og_ledger_up(struct og_gateway_store *s)
{
	s->ledger->look_from_ms = og_clock_mono_ms() + s->config.lease_ms / 3;
	renew_all(s);
	og_ledger_pump(s);
}

void og_ledger_tick(struct og_gateway_store *s)
{
	renew_all(s);
	og_ledger_pump(s);
	look_for_orphans(s);
}
