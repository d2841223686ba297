/* The content header of AMQP (properties and the headers table) and og_message, both ways. */
#ifndef OG_IO_AMQP_HEADER_H
#define OG_IO_AMQP_HEADER_H

#include "base/buf.h"
#include "base/error.h"
#include "io/amqp.h"
#include "model/message.h"

/* Decodes the property flags and what follows them. `bytes` is changed: strings are terminated in place, so it must
 * have one writable byte after its end, and live as long as the message. Values that og_message has no room for
 * (floats, tables, arrays, headers beyond OG_MESSAGE_HEADERS_MAX, see headers_cut) are skipped, never entered: a
 * stranger may have nested them a thousand deep. *ret_ticket is the number in app_id, 0 where there is none. INVALID:
 * not a header. */
int og_header_decode(char *bytes, size_t len, struct og_message *m, uint64_t *ret_ticket, struct og_error *err);

/* INVALID: longer than AMQP's short strings may be. NULL is fine. */
int og_shortstr_check(const char *s, const char *what, struct og_error *err);
/* INVALID where the message cannot be sent by a connection of `user`: a string, the headers or the body over its
 * cap, or a user_id that is another's (the broker would close the channel). */
int og_message_sendable(const struct og_message *m, const char *user, struct og_error *err);

/* The most bytes that the message's properties can take on the wire. */
size_t og_header_room(const struct og_message *m);
/* Encodes into `out`, which has og_header_room(m) bytes; returns how many were used. ticket 0: none. */
size_t og_header_encode(const struct og_message *m, uint64_t ticket, char *out, size_t room);

#endif
