/* A ring of UUIDs in binary under a hash table of ring places: 32 bytes an id, where a node of a general map takes
 * 100. UUIDs are the client's choice, so the table is keyed by a random number: nobody can aim at one chain. */
#include "plan/recent.h"

#include <stdlib.h>
#include <string.h>
#include <uuid/uuid.h>

#include "base/alloc.h"
#include "base/backoff.h"

#define FIRST_ROOM 256

struct item {
	uuid_t id;
	int64_t when;
	uint32_t next; /* in its chain, place + 1; 0: the last */
};

struct og_recent {
	struct item *ring;
	uint32_t *chains; /* `room` of them */
	size_t cap, room; /* the ring grows to its cap by doubling */
	size_t count, head;
	uint64_t key;
};

/* Every bit of x over every bit of the result (the finalizer of MurmurHash3): clients also count their ids up. */
static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 33) * UINT64_C(0xff51afd7ed558ccd);
	x = (x ^ x >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
	return x ^ x >> 33;
}

static uint32_t *chain_of(const struct og_recent *r, const uuid_t id)
{
	uint64_t a, b;

	memcpy(&a, id, 8);
	memcpy(&b, id + 8, 8);
	return &r->chains[mix(mix(a ^ r->key) ^ b) % r->room];
}

struct og_recent *og_recent_new(size_t cap)
{
	struct og_recent *r = og_new(struct og_recent);

	r->cap = cap;
	r->key = (uint64_t)og_random() << 32 | og_random();
	return r;
}

void og_recent_free(struct og_recent *r)
{
	if (!r)
		return;
	free(r->ring);
	free(r->chains);
	free(r);
}

static struct item *find(const struct og_recent *r, const uuid_t id)
{
	if (!r->room)
		return NULL;
	for (uint32_t at = *chain_of(r, id); at; at = r->ring[at - 1].next)
		if (!uuid_compare(r->ring[at - 1].id, id))
			return &r->ring[at - 1];
	return NULL;
}

static void link_in(struct og_recent *r, size_t place)
{
	uint32_t *chain = chain_of(r, r->ring[place].id);

	r->ring[place].next = *chain;
	*chain = (uint32_t)place + 1;
}

static void link_out(struct og_recent *r, size_t place)
{
	uint32_t *at = chain_of(r, r->ring[place].id);

	while (*at != place + 1)
		at = &r->ring[*at - 1].next;
	*at = r->ring[place].next;
}

static void grow(struct og_recent *r)
{
	r->room = r->room ? 2 * r->room : FIRST_ROOM;
	if (r->room > r->cap)
		r->room = r->cap;
	r->ring = og_realloc(r->ring, r->room * sizeof(*r->ring));
	free(r->chains);
	r->chains = og_alloc(r->room * sizeof(*r->chains));
	for (size_t i = 0; i < r->count; i++)
		link_in(r, i);
}

void og_recent_add(struct og_recent *r, const char *id, int64_t now)
{
	uuid_t uuid;
	size_t place;

	if (uuid_parse(id, uuid) || find(r, uuid))
		return;
	if (r->count == r->room && r->room < r->cap)
		grow(r);
	place = r->head;
	if (r->count == r->room)
		link_out(r, place);
	else
		place = r->count++;
	r->head = (place + 1) % r->cap;
	memcpy(r->ring[place].id, uuid, sizeof(uuid));
	r->ring[place].when = now;
	link_in(r, place);
}

bool og_recent_find(const struct og_recent *r, const char *id, int64_t *ret_when)
{
	uuid_t uuid;
	const struct item *item;

	if (uuid_parse(id, uuid))
		return false;
	item = find(r, uuid);
	if (item && ret_when)
		*ret_when = item->when;
	return item;
}

size_t og_recent_count(const struct og_recent *r)
{
	return r->count;
}
