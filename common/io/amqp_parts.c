#include "io/amqp_parts.h"

#include <stdlib.h>
#include <uthash.h>

#include "base/alloc.h"

struct og_opened {
	uint64_t tag;
	unsigned left;
	enum og_settlement worst;
	UT_hash_handle hh;
};

void og_parts_open(struct og_parts *p, uint64_t tag, unsigned n)
{
	struct og_opened *o = og_new(struct og_opened);

	*o = (struct og_opened){.tag = tag, .left = n};
	HASH_ADD(hh, p->opened, tag, sizeof(o->tag), o);
}

uint64_t og_parts_settle(struct og_parts *p, uint64_t tag, enum og_settlement *how)
{
	uint64_t whole = tag & ((UINT64_C(1) << OG_PART_SHIFT) - 1);
	struct og_opened *o;

	if (whole == tag)
		return tag;
	HASH_FIND(hh, p->opened, &whole, sizeof(whole), o);
	if (!o)
		return 0;
	o->worst = *how > o->worst ? *how : o->worst;
	if (--o->left)
		return 0;
	*how = o->worst;
	HASH_DEL(p->opened, o);
	free(o);
	return whole;
}

void og_parts_clear(struct og_parts *p)
{
	struct og_opened *o, *next;

	HASH_ITER(hh, p->opened, o, next)
	{
		HASH_DEL(p->opened, o);
		free(o);
	}
}
