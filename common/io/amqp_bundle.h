/* Several messages for one place in one: what a message costs the broker does not depend on what is in it. Pure.
 *
 * The message is of type `bundle`; its body is the parts, one behind the other:
 *
 *   part:   length of the header, 4 bytes │ length of the body, 4 bytes │ header │ body          (big-endian)
 *   header: the property flags and properties of a message as AMQP 0-9-1 (4.2.6.1) has them in a content header frame
 *
 * What the broker says of a message (exchange, routing key, user id, `x-` headers) it says of the bundle: it holds for each
 * part, and a part that says so itself is not believed. A part is never a bundle. */
#ifndef OG_IO_AMQP_BUNDLE_H
#define OG_IO_AMQP_BUNDLE_H

#include "base/buf.h"
#include "model/message.h"

#define OG_BUNDLE_PARTS_MAX 256           /* in one that comes; more: it is none */
#define OG_BUNDLE_HEADERS   4096          /* bytes of the bundle's own, which each part has; more: it is none */
#define OG_BUNDLE_PARTS     64            /* in one that we make */
#define OG_BUNDLE_BYTES     (96u * 1024)  /* likewise: it fits into one frame */
#define OG_BUNDLE_PART      (32u * 1024u) /* a larger one travels alone: it costs what its bytes cost */

struct og_bundle {
	struct og_buf body;
	unsigned n;
};

/* Whether it may be a part of one. */
bool og_bundle_takes(const struct og_message *m);
bool og_bundle_same_place(const struct og_message *a, const struct og_message *b);
/* -1: it is full. The first two that og_bundle_takes always have room. */
int og_bundle_add(struct og_bundle *b, const struct og_message *m);
/* The message that carries it, which borrows its body and the place of `m`. */
struct og_message og_bundle_message(const struct og_bundle *b, const struct og_message *m);
void og_bundle_done(struct og_bundle *b);

/* Reading. Whether it says that it is one. What says so and cannot be opened must not be passed on as one: what is in it would
 * be the word of who passed it on, and no stranger's any more. */
bool og_bundle_is(const struct og_message *m);
/* How many parts there are; 0: it is no bundle, or none that can be read. */
unsigned og_bundle_parts(const struct og_message *m);

struct og_bundle_reader {
	const struct og_message *outer;
	size_t at;
	char *header; /* of the part at hand */
	size_t room;
};

/* The next part of one that og_bundle_parts counted, which lives until the next call; its delivery tag is its bundle's. One
 * whose header cannot be read, or that is a bundle, is of type `unreadable` and has its body alone. False: there is none. */
bool og_bundle_next(struct og_bundle_reader *r, struct og_message *ret);
void og_bundle_reader_done(struct og_bundle_reader *r);

#endif
