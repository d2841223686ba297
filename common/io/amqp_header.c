/* Encoding is librabbitmq's; decoding is our own: the library follows nested tables by recursion, and anyone who may
 * publish could send one that ends the stack. */
#include "io/amqp_header.h"

#include <amqp.h>
#include <amqp_framing.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHORTSTR_MAX 255
#define HEADER_MAX   65536 /* so that it fits into one frame of any broker that login lets through */

/* decoding */

struct cursor {
	char *at, *end;
	bool bad;
	char *ends[16 +
		   2 * OG_MESSAGE_HEADERS_MAX]; /* of strings: terminated at last, as the next field may begin there */
	size_t n_ends;
};

static char *take(struct cursor *c, uint64_t n)
{
	char *p = c->at;

	if (n > (uint64_t)(c->end - c->at)) {
		c->bad = true;
		c->at = c->end;
		return NULL;
	}
	c->at += n;
	return p;
}

static uint64_t take_number(struct cursor *c, unsigned bytes)
{
	const unsigned char *p = (const unsigned char *)take(c, bytes);
	uint64_t v = 0;

	for (unsigned i = 0; p && i < bytes; i++)
		v = v << 8 | p[i];
	return v;
}

static const char *take_string(struct cursor *c, unsigned length_bytes)
{
	uint64_t n = take_number(c, length_bytes);
	char *p = take(c, n);

	if (p)
		c->ends[c->n_ends++] = p + n;
	return p;
}

static int64_t take_signed(struct cursor *c, unsigned bytes)
{
	unsigned shift = 64 - 8 * bytes;

	return (int64_t)(take_number(c, bytes) << shift) >> shift;
}

/* True where the value is one that we keep. */
static bool take_value(struct cursor *c, struct og_header *h)
{
	switch (take_number(c, 1)) {
	case AMQP_FIELD_KIND_UTF8:
		h->text = take_string(c, 4);
		return true;
	case AMQP_FIELD_KIND_BOOLEAN:
	case AMQP_FIELD_KIND_U8:
		h->number = (int64_t)take_number(c, 1);
		return true;
	case AMQP_FIELD_KIND_I8:
		h->number = take_signed(c, 1);
		return true;
	case AMQP_FIELD_KIND_I16:
		h->number = take_signed(c, 2);
		return true;
	case AMQP_FIELD_KIND_U16:
		h->number = (int64_t)take_number(c, 2);
		return true;
	case AMQP_FIELD_KIND_I32:
		h->number = take_signed(c, 4);
		return true;
	case AMQP_FIELD_KIND_U32:
		h->number = (int64_t)take_number(c, 4);
		return true;
	case AMQP_FIELD_KIND_I64:
	case AMQP_FIELD_KIND_U64:
	case AMQP_FIELD_KIND_TIMESTAMP:
		h->number = take_signed(c, 8);
		return true;
	case AMQP_FIELD_KIND_F32:
		take(c, 4);
		return false;
	case AMQP_FIELD_KIND_F64:
		take(c, 8);
		return false;
	case AMQP_FIELD_KIND_DECIMAL:
		take(c, 5);
		return false;
	case AMQP_FIELD_KIND_TABLE:
	case AMQP_FIELD_KIND_ARRAY:
	case AMQP_FIELD_KIND_BYTES:
		take(c, take_number(c, 4));
		return false;
	case AMQP_FIELD_KIND_VOID:
		return false;
	default: /* of unknown length: nothing after it in this table can be read */
		c->at = c->end;
		return false;
	}
}

static void take_table(struct cursor *c, struct og_message *m)
{
	uint64_t size = take_number(c, 4);
	char *end = c->end, *table = take(c, size);

	if (!table)
		return;
	c->at = table;
	c->end = table + size;
	while (c->at < c->end && m->n_headers < OG_MESSAGE_HEADERS_MAX) {
		struct og_header h = {.name = take_string(c, 1)};

		if (take_value(c, &h) && !c->bad)
			m->headers[m->n_headers++] = h;
		else if (!c->bad)
			c->n_ends--; /* the name of what is skipped */
	}
	m->headers_cut = c->at < c->end && m->n_headers == OG_MESSAGE_HEADERS_MAX;
	c->at = c->end;
	c->end = end;
}

static const char *text_if(struct cursor *c, uint64_t flags, uint64_t flag)
{
	return flags & flag ? take_string(c, 1) : NULL;
}

int og_header_decode(char *bytes, size_t len, struct og_message *m, uint64_t *ret_ticket, struct og_error *err)
{
	struct cursor c = {.at = bytes, .end = bytes + len};
	uint64_t flags = take_number(&c, 2), more = flags;
	const char *ticket;

	while ((more & 1) && !c.bad) /* further flag words: properties of other protocols */
		more = take_number(&c, 2);
	m->content_type = text_if(&c, flags, AMQP_BASIC_CONTENT_TYPE_FLAG);
	text_if(&c, flags, AMQP_BASIC_CONTENT_ENCODING_FLAG);
	if (flags & AMQP_BASIC_HEADERS_FLAG)
		take_table(&c, m);
	if (flags & AMQP_BASIC_DELIVERY_MODE_FLAG)
		m->persistent = take_number(&c, 1) == AMQP_DELIVERY_PERSISTENT;
	if (flags & AMQP_BASIC_PRIORITY_FLAG)
		take(&c, 1);
	m->correlation_id = text_if(&c, flags, AMQP_BASIC_CORRELATION_ID_FLAG);
	m->reply_to = text_if(&c, flags, AMQP_BASIC_REPLY_TO_FLAG);
	text_if(&c, flags, AMQP_BASIC_EXPIRATION_FLAG);
	m->message_id = text_if(&c, flags, AMQP_BASIC_MESSAGE_ID_FLAG);
	if (flags & AMQP_BASIC_TIMESTAMP_FLAG)
		m->timestamp_s = take_number(&c, 8);
	m->type = text_if(&c, flags, AMQP_BASIC_TYPE_FLAG);
	m->user_id = text_if(&c, flags, AMQP_BASIC_USER_ID_FLAG);
	ticket = text_if(&c, flags, AMQP_BASIC_APP_ID_FLAG);
	text_if(&c, flags, AMQP_BASIC_CLUSTER_ID_FLAG);
	if (c.bad)
		return og_fail(err, OG_INVALID, "a content header of %zu bytes cannot be read", len);
	for (size_t i = 0; i < c.n_ends; i++)
		*c.ends[i] = '\0';
	*ret_ticket = ticket ? strtoull(ticket, NULL, 10) : 0;
	return 0;
}

/* encoding */

static size_t length(const char *s)
{
	return s ? strlen(s) : 0;
}

size_t og_header_room(const struct og_message *m)
{
	size_t n = 128 + length(m->content_type) + length(m->correlation_id) + length(m->reply_to) +
	           length(m->message_id) + length(m->type) + length(m->user_id);

	for (size_t i = 0; i < m->n_headers; i++)
		n += 16 + length(m->headers[i].name) + length(m->headers[i].text);
	return n;
}

int og_shortstr_check(const char *s, const char *what, struct og_error *err)
{
	if (s && strlen(s) > SHORTSTR_MAX)
		return og_fail(err, OG_INVALID, "%s is longer than %d bytes", what, SHORTSTR_MAX);
	return 0;
}

int og_message_sendable(const struct og_message *m, const char *user, struct og_error *err)
{
	if (og_shortstr_check(m->exchange, "the exchange", err) < 0 ||
		og_shortstr_check(m->routing_key, "the routing key", err) < 0 ||
		og_shortstr_check(m->type, "type", err) < 0 ||
		og_shortstr_check(m->message_id, "message_id", err) < 0 ||
		og_shortstr_check(m->correlation_id, "correlation_id", err) < 0 ||
		og_shortstr_check(m->reply_to, "reply_to", err) < 0 ||
		og_shortstr_check(m->content_type, "content_type", err) < 0)
		return -1;
	if (m->body_len > OG_AMQP_BODY_CAP)
		return og_fail(err, OG_INVALID, "a body of %zu bytes; %u is the most", m->body_len, OG_AMQP_BODY_CAP);
	if (m->n_headers > OG_MESSAGE_HEADERS_MAX)
		return og_fail(err, OG_INVALID, "%zu headers; %d is the most", m->n_headers, OG_MESSAGE_HEADERS_MAX);
	for (size_t i = 0; i < m->n_headers; i++) {
		if (og_shortstr_check(m->headers[i].name, "a header's name", err) < 0)
			return -1;
	}
	if (og_header_room(m) > HEADER_MAX)
		return og_fail(err, OG_INVALID, "properties and headers of more than %d bytes", HEADER_MAX);
	if (m->user_id && strcmp(m->user_id, user) != 0)
		return og_fail(err, OG_INVALID, "user_id '%s' is not this connection's user '%s'", m->user_id, user);
	return 0;
}

static void set(amqp_basic_properties_t *p, amqp_flags_t flag, amqp_bytes_t *field, const char *value)
{
	if (!value)
		return;
	p->_flags |= flag;
	*field = amqp_cstring_bytes(value);
}

static void fill_table(const struct og_message *m, amqp_table_entry_t *entries)
{
	for (size_t i = 0; i < m->n_headers; i++) {
		const struct og_header *h = &m->headers[i];
		amqp_field_value_t *v = &entries[i].value;

		entries[i].key = amqp_cstring_bytes(h->name);
		v->kind = h->text ? AMQP_FIELD_KIND_UTF8 : AMQP_FIELD_KIND_I64;
		if (h->text)
			v->value.bytes = amqp_cstring_bytes(h->text);
		else
			v->value.i64 = h->number;
	}
}

size_t og_header_encode(const struct og_message *m, uint64_t ticket, char *out, size_t room)
{
	amqp_table_entry_t entries[OG_MESSAGE_HEADERS_MAX];
	amqp_basic_properties_t p = {0};
	char number[24];
	int n;

	set(&p, AMQP_BASIC_CONTENT_TYPE_FLAG, &p.content_type, m->content_type);
	set(&p, AMQP_BASIC_CORRELATION_ID_FLAG, &p.correlation_id, m->correlation_id);
	set(&p, AMQP_BASIC_REPLY_TO_FLAG, &p.reply_to, m->reply_to);
	set(&p, AMQP_BASIC_MESSAGE_ID_FLAG, &p.message_id, m->message_id);
	set(&p, AMQP_BASIC_TYPE_FLAG, &p.type, m->type);
	set(&p, AMQP_BASIC_USER_ID_FLAG, &p.user_id, m->user_id);
	p._flags |= AMQP_BASIC_DELIVERY_MODE_FLAG;
	p.delivery_mode = m->persistent ? AMQP_DELIVERY_PERSISTENT : AMQP_DELIVERY_NONPERSISTENT;
	if (m->timestamp_s) {
		p._flags |= AMQP_BASIC_TIMESTAMP_FLAG;
		p.timestamp = m->timestamp_s;
	}
	if (ticket) {
		snprintf(number, sizeof(number), "%" PRIu64, ticket);
		set(&p, AMQP_BASIC_APP_ID_FLAG, &p.app_id, number);
	}
	if (m->n_headers) {
		fill_table(m, entries);
		p._flags |= AMQP_BASIC_HEADERS_FLAG;
		p.headers = (amqp_table_t){.num_entries = (int)m->n_headers, .entries = entries};
	}
	n = amqp_encode_properties(AMQP_BASIC_CLASS, &p, (amqp_bytes_t){.len = room, .bytes = out});
	return n < 0 ? 0 : (size_t)n;
}
