#include "io/amqp_bundle.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "io/amqp_header.h"
#include "model/names.h"

#define HEAD 8 /* the two lengths */

/* making one */

bool og_bundle_takes(const struct og_message *m)
{
	return HEAD + og_header_room(m) + m->body_len <= OG_BUNDLE_PART;
}

static bool same(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "") == 0;
}

bool og_bundle_same_place(const struct og_message *a, const struct og_message *b)
{
	return a->persistent == b->persistent && same(a->routing_key, b->routing_key) &&
	       same(a->exchange, b->exchange) && same(a->user_id, b->user_id);
}

static void put32(char *at, size_t n)
{
	uint32_t v = htonl((uint32_t)n);

	memcpy(at, &v, sizeof(v));
}

int og_bundle_add(struct og_bundle *b, const struct og_message *m)
{
	size_t room = og_header_room(m), size;
	struct og_message part = *m;
	char header[OG_BUNDLE_PART], head[HEAD];

	if (!b->n)
		og_buf_init(&b->body, OG_BUNDLE_BYTES);
	if (b->n == OG_BUNDLE_PARTS || b->body.len + HEAD + room + m->body_len > OG_BUNDLE_BYTES)
		return -1;
	part.user_id = NULL;
	size = og_header_encode(&part, 0, header, room);
	put32(head, size);
	put32(head + 4, m->body_len);
	og_buf_add(&b->body, head, HEAD);
	og_buf_add(&b->body, header, size);
	og_buf_add(&b->body, m->body, m->body_len);
	b->n++;
	return 0;
}

struct og_message og_bundle_message(const struct og_bundle *b, const struct og_message *m)
{
	return (struct og_message){
		.exchange = m->exchange,
		.routing_key = m->routing_key,
		.user_id = m->user_id,
		.persistent = m->persistent,
		.type = OG_T_BUNDLE,
		.body = b->body.data,
		.body_len = b->body.len,
	};
}

void og_bundle_done(struct og_bundle *b)
{
	og_buf_done(&b->body);
}

/* reading */

static size_t get32(const char *at)
{
	uint32_t v;

	memcpy(&v, at, sizeof(v));
	return ntohl(v);
}

/* Its bytes, its lengths included; 0: it is cut off. */
static size_t part_size(const struct og_message *m, size_t at)
{
	const char *body = m->body;
	size_t left = m->body_len - at, size;

	if (left < HEAD)
		return 0;
	size = HEAD + get32(body + at) + get32(body + at + 4); /* of 32 bits each: no overflow */
	return size <= left ? size : 0;
}

bool og_bundle_is(const struct og_message *m)
{
	return same(m->type, OG_T_BUNDLE);
}

unsigned og_bundle_parts(const struct og_message *m)
{
	unsigned n = 0;
	size_t size;

	if (!m->body || !og_bundle_is(m) || og_message_headers_size(m) > OG_BUNDLE_HEADERS)
		return 0;
	for (size_t at = 0; at < m->body_len; at += size) {
		size = part_size(m, at);
		if (!size || ++n > OG_BUNDLE_PARTS_MAX)
			return 0;
	}
	return n;
}

static bool is_brokers(const struct og_header *h)
{
	return !strncmp(h->name, "x-", 2);
}

static void take_brokers_word(struct og_message *m, const struct og_message *outer)
{
	size_t n = 0;

	for (size_t i = 0; i < m->n_headers; i++) {
		if (!is_brokers(&m->headers[i]))
			m->headers[n++] = m->headers[i];
	}
	for (size_t i = 0; i < outer->n_headers; i++) {
		if (!is_brokers(&outer->headers[i]))
			continue;
		if (n < OG_MESSAGE_HEADERS_MAX)
			m->headers[n++] = outer->headers[i];
		else
			m->headers_cut = true;
	}
	m->n_headers = n;
	m->exchange = outer->exchange;
	m->routing_key = outer->routing_key;
	m->user_id = outer->user_id;
	m->persistent = outer->persistent;
	m->redelivered = outer->redelivered;
	m->delivery_tag = outer->delivery_tag;
}

bool og_bundle_next(struct og_bundle_reader *r, struct og_message *ret)
{
	const char *part = (const char *)r->outer->body + r->at;
	size_t size = r->at < r->outer->body_len ? part_size(r->outer, r->at) : 0, len;
	struct og_message bare = {.type = OG_T_UNREADABLE};
	uint64_t ticket;

	if (!size)
		return false;
	len = get32(part);
	if (len + 1 > r->room) {
		r->room = len + 1;
		free(r->header);
		r->header = og_alloc(r->room);
	}
	memcpy(r->header, part + HEAD, len);
	bare.body_len = get32(part + 4);
	bare.body = part + HEAD + len;
	*ret = bare;
	r->at += size;
	if (og_header_decode(r->header, len, ret, &ticket, NULL) < 0 || og_bundle_is(ret))
		*ret = bare;
	take_brokers_word(ret, r->outer);
	return true;
}

void og_bundle_reader_done(struct og_bundle_reader *r)
{
	free(OG_TAKE(r->header));
}
