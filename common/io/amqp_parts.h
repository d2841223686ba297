/* What is open of bundles that came: a bundle is settled when all its parts are, and comes again whole where one of them is
 * to come again. A part's tag is its bundle's, with its number (from 1) in the 16 highest bits, which no broker's tag ever
 * reaches. Pure. */
#ifndef OG_IO_AMQP_PARTS_H
#define OG_IO_AMQP_PARTS_H

#include <stdint.h>

#define OG_PART_SHIFT 48

enum og_settlement { OG_SETTLE_ACK, OG_SETTLE_REJECT, OG_SETTLE_REQUEUE };

struct og_opened;

struct og_parts {
	struct og_opened *opened; /* by the bundle's tag */
};

void og_parts_open(struct og_parts *p, uint64_t tag, unsigned n);
static inline uint64_t og_part_tag(uint64_t tag, unsigned number)
{
	return tag | (uint64_t)number << OG_PART_SHIFT;
}
/* The broker's tag that is to be settled now, and how; 0: its bundle has open parts. A tag that is no part's is its own. */
uint64_t og_parts_settle(struct og_parts *p, uint64_t tag, enum og_settlement *how);
void og_parts_clear(struct og_parts *p);

#endif
