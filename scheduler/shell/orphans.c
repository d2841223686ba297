#include "shell/orphans.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "plan/replies.h"
#include "shell/answer.h"
#include "shell/letter.h"
#include "shell/move.h"
#include "shell/records.h"
#include "shell/watch.h"

#define PINGS_A_TICK 20 /* 200 a second */
#define ENDS_A_LOOK  200
#define GONE         "its submitter is gone"

struct ping {
	struct og_scheduler *s;
	uint64_t term;
	char reply[OG_KEY_MAX];
};

static void on_settled(void *ctx, enum og_settled how)
{
	struct ping *ping = ctx;
	struct og_scheduler *s = ping->s;

	if (s->term && s->term->serial == ping->term && (how == OG_CONFIRMED || how == OG_RETURNED))
		og_replies_answered(s->plan.index, ping->reply, how == OG_RETURNED, og_clock_mono_ms());
	free(ping);
}

/* False: there is no room to publish. */
static bool ask(struct og_scheduler *s, const struct og_reply *r)
{
	const struct og_envelope about = {.type = OG_T_PING};
	struct ping *ping = og_new(struct ping);
	char key[OG_KEY_MAX];
	struct og_message m = {.exchange = OG_X_REPLIES, .routing_key = key, .body = "{}", .body_len = 2};

	*ping = (struct ping){.s = s, .term = s->term->serial};
	snprintf(ping->reply, sizeof(ping->reply), "%s", r->text);
	og_key_reply(r->text, "ping", key);
	og_envelope_encode(&about, &m);
	if (og_amqp_publish(s->lead, &m, OG_PUBLISH_MANDATORY, on_settled, ping, NULL) == 0)
		return true;
	free(ping);
	return false;
}

void og_orphans_ping(struct og_scheduler *s, int64_t now)
{
	struct og_reply *r;

	if (s->draining || s->lead_blocked || og_moves_blocked(s))
		return;
	for (int n = 0; n < PINGS_A_TICK && (r = og_replies_next(s->plan.index, now)); n++)
		if (!ask(s, r))
			return;
}

/* While nobody could tell us that he wants an answer (under an alarm, or while we do not read), nobody is given up; and
 * after it they have the whole grace for it. */
static bool may_end(struct og_scheduler *s, int64_t now)
{
	if (s->lead_blocked || !s->term->intake.up || s->term->n_letters > OG_LETTERS_HIGH)
		s->term->orphans_from = now + s->settings->orphan_grace_ms;
	return now >= s->term->orphans_from;
}

void og_orphans_end(struct og_scheduler *s, int64_t now)
{
	struct og_entry *orphans[ENDS_A_LOOK];
	size_t n;

	if (!may_end(s, now))
		return;
	n = og_replies_orphans(s->plan.index, now, s->settings->orphan_grace_ms, og_watch_saves, orphans, ENDS_A_LOOK);
	for (size_t i = 0; i < n; i++) {
		og_debug("its submitter is gone", "id=%s", orphans[i]->id);
		s->counts.orphans++;
		og_records_history(s, orphans[i]->id, "cancelling", orphans[i]->attempt, NULL, NULL, NULL, GONE);
		og_answer_stop(s, orphans[i], GONE);
	}
}
