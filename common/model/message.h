/* One AMQP message as plain data: the part of AMQP 0-9-1 that we use, without the library. It is what the io layer
 * sends and delivers, what its in-memory twin queues, and what the envelope is decoded from. */
#ifndef OG_MODEL_MESSAGE_H
#define OG_MODEL_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OG_MESSAGE_HEADERS_MAX 48
#define OG_BODY_MAX            (8u * 1024 * 1024) /* bytes; above it an answer or a prompt is `too_large` */
#define OG_HEADERS_BYTES_MAX   (32u * 1024)       /* of what a client sends: the wire takes 64 KiB with ours added */

struct og_header {
	const char *name;
	const char *text; /* NULL: it is `number` */
	int64_t number;
};

/* Borrowed throughout: the strings live as long as whoever made the message says (for a delivery: during the callback).
 * NULL is an absent property. og_message_copy makes one that owns all it points to, in one block. */
struct og_message {
	const char *exchange, *routing_key;
	const char *type, *message_id, *correlation_id, *reply_to, *user_id, *content_type;
	uint64_t timestamp_s;  /* 0: absent */
	bool persistent;       /* delivery-mode 2 */
	bool redelivered;      /* deliveries only */
	uint64_t delivery_tag; /* deliveries only */
	struct og_header headers[OG_MESSAGE_HEADERS_MAX];
	size_t n_headers;
	bool headers_cut; /* deliveries only: there are more than that */
	const void *body;
	size_t body_len;
};

struct og_message *og_message_copy(const struct og_message *m);                          /* freed with free() */
const struct og_header *og_message_header(const struct og_message *m, const char *name); /* NULL: not there */
const char *og_message_text(const struct og_message *m, const char *name); /* NULL: not there, or a number */
int64_t og_message_number(const struct og_message *m, const char *name);   /* 0: not there, or text */
size_t og_header_size(const struct og_header *h);                          /* bytes of its name and text */
size_t og_message_headers_size(const struct og_message *m);

#endif
