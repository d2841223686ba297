/* What of an answer has gone out as chunks, so that its rest can be made of the whole answer where some chunks never came (a
 * reply queue that overflowed, a connection lost at the end). Pure.
 *
 * Most streams need no rest. So chunks are only copied here, and looked into when that copy is full, or at a gap: of what was
 * looked into a length and a hash remain. */
#ifndef OG_API_SENT_H
#define OG_API_SENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

#define OG_SENT_CHOICES 8

struct og_sent {
	struct og_buf raw; /* chunks, a line each */
	struct {
		size_t len;    /* bytes of its text */
		uint64_t hash; /* of them */
	} choices[OG_SENT_CHOICES];
	bool opaque; /* something other than text went out, which cannot be told apart again */
};

void og_sent_init(struct og_sent *s);
void og_sent_done(struct og_sent *s);
void og_sent_add(struct og_sent *s, const char *chunk, size_t len);

/* The chunks that lead from what went out to the whole `response` (a chat completion or text completion), its usage last: a new
 * array. NULL: what went out is not how this answer begins, or cannot be told. */
json_t *og_sent_rest(struct og_sent *s, const json_t *response);

#endif
