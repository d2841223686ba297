#include "plan/replies.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

#define LOOKED_MAX 1000 /* keys that are looked at for one that is due */

struct og_reply *og_reply_take(struct og_index *ix, const char *text)
{
	size_t len = strlen(text);
	struct og_reply *r;

	HASH_FIND(hh, ix->replies, text, len, r);
	if (!r) {
		r = og_alloc(sizeof(*r) + len + 1);
		memcpy(r->text, text, len);
		HASH_ADD_KEYPTR(hh, ix->replies, r->text, len, r);
	}
	r->refs++;
	return r;
}

static void reply_free(struct og_index *ix, struct og_reply *r)
{
	if (ix->ping_at == r)
		ix->ping_at = r->hh.next;
	ix->n_gone -= r->gone_since != 0;
	HASH_DEL(ix->replies, r);
	free(r);
}

void og_reply_drop(struct og_index *ix, struct og_reply *r)
{
	if (r && !--r->refs)
		reply_free(ix, r);
}

void og_replies_free(struct og_index *ix)
{
	struct og_reply *r, *tmp;

	HASH_ITER(hh, ix->replies, r, tmp)
	reply_free(ix, r);
}

void og_reply_waits(struct og_reply *r, const struct og_entry *e, int sign)
{
	if (!e->detach)
		r->waits += (unsigned)sign;
}

/* In turn, from where the last one was found. */
struct og_reply *og_replies_next(struct og_index *ix, int64_t now)
{
	struct og_reply *r = ix->ping_at ? ix->ping_at : ix->replies;
	unsigned keys = HASH_COUNT(ix->replies);

	for (unsigned n = 0; r && n < keys && n < LOOKED_MAX; n++) {
		struct og_reply *next = r->hh.next ? r->hh.next : ix->replies;

		ix->ping_at = next;
		if (!r->pinged) /* most keys are gone, their job done, before they are asked */
			r->pinged = now;
		if (r->waits && now - r->pinged >= OG_PING_PERIOD_MS) {
			r->pinged = now;
			return r;
		}
		r = next;
	}
	return NULL;
}

void og_replies_answered(struct og_index *ix, const char *text, bool returned, int64_t now)
{
	struct og_reply *r;

	HASH_FIND(hh, ix->replies, text, strlen(text), r);
	if (!r || returned == (r->gone_since != 0))
		return;
	r->gone_since = returned ? now : 0;
	ix->n_gone += returned ? 1 : (size_t)-1;
}

bool og_reply_is_gone(const struct og_reply *r, int64_t now, int64_t grace_ms)
{
	return r->gone_since && now - r->gone_since >= grace_ms;
}

size_t og_replies_orphans(const struct og_index *ix, int64_t now, int64_t grace_ms,
	bool (*saved)(const struct og_entry *e, int64_t now, int64_t grace_ms), struct og_entry **out, size_t max)
{
	size_t n = 0;

	for (const struct og_reply *r = ix->n_gone ? ix->replies : NULL; r && n < max; r = r->hh.next) {
		if (!og_reply_is_gone(r, now, grace_ms))
			continue;
		for (struct og_entry *e = r->jobs; e && n < max; e = e->reply_next)
			if (!e->detach && !e->cancelling && e->where != OG_WHERE_CHECK && e->where != OG_WHERE_ENDED &&
				!saved(e, now, grace_ms))
				out[n++] = e;
	}
	return n;
}
