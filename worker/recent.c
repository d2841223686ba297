#include "recent.h"

#include <stdio.h>
#include <uthash.h>
#include <utlist.h>

struct og_recent_entry {
	char id[OG_ID_LEN + 1];
	enum og_recent_kind kind;
	int64_t attempt, until_ms;
	UT_hash_handle hh;
	struct og_recent_entry *next, *prev;
};

static void drop(struct og_recent *r, struct og_recent_entry *e)
{
	HASH_DELETE(hh, r->by_id, e);
	DL_DELETE(r->oldest, e);
	og_slab_give(&r->entries, e);
	r->n--;
}

void og_recent_add(struct og_recent *r, const char *id, enum og_recent_kind kind, int64_t attempt, int64_t now_ms)
{
	struct og_recent_entry *e;

	HASH_FIND_STR(r->by_id, id, e);
	if (e)
		drop(r, e);
	while (r->oldest && (r->n >= OG_RECENT_MAX || r->oldest->until_ms <= now_ms))
		drop(r, r->oldest);
	if (!r->entries.size)
		og_slab_init(&r->entries, sizeof(*e));
	e = og_slab_take(&r->entries);
	snprintf(e->id, sizeof(e->id), "%s", id);
	e->kind = kind;
	e->attempt = attempt;
	e->until_ms = now_ms + OG_RECENT_MS;
	HASH_ADD_STR(r->by_id, id, e);
	DL_APPEND(r->oldest, e);
	r->n++;
}

enum og_recent_kind og_recent_find(struct og_recent *r, const char *id, int64_t now_ms, int64_t *ret_attempt)
{
	struct og_recent_entry *e;

	HASH_FIND_STR(r->by_id, id, e);
	if (!e || e->until_ms <= now_ms)
		return OG_RECENT_NOTHING;
	*ret_attempt = e->attempt;
	return e->kind;
}

void og_recent_done(struct og_recent *r)
{
	while (r->oldest)
		drop(r, r->oldest);
	og_slab_done(&r->entries);
}
