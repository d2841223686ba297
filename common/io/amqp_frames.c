#include "io/amqp_frames.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/alloc.h"
#include "io/amqp_header.h"

#define FRAME_HEAD  7
#define FRAME_EXTRA (FRAME_HEAD + 1)
#define METHOD_ROOM 4096 /* strings of 255 bytes, a table of ours */
#define POOL_PAGE   4096

void og_frames_init(struct og_frames *f, const struct og_frames_events *events, void *ctx)
{
	*f = (struct og_frames){.events = events, .ctx = ctx};
	og_buf_init(&f->partial, OG_FRAME_MAX + 65536);
	og_buf_init(&f->method_args, OG_FRAME_MAX);
	og_buf_init(&f->header, OG_FRAME_MAX);
	og_buf_init(&f->body, OG_AMQP_BODY_CAP);
	init_amqp_pool(&f->pool, POOL_PAGE);
}

void og_frames_done(struct og_frames *f)
{
	og_frames_reset(f);
	empty_amqp_pool(&f->pool);
}

void og_frames_reset(struct og_frames *f)
{
	og_buf_done(&f->partial);
	og_buf_done(&f->method_args);
	og_buf_done(&f->header);
	og_buf_done(&f->body);
	f->want = OG_FRAMES_METHOD;
}

/* reading */

static uint32_t get32(const char *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return ntohl(v);
}

static uint64_t get64(const char *p)
{
	return (uint64_t)get32(p) << 32 | get32(p + 4);
}

static int decode_method(struct og_frames *f, const char *args, size_t len, void **ret, struct og_error *err)
{
	const amqp_bytes_t encoded = {.len = len, .bytes = (void *)(uintptr_t)args};

	recycle_amqp_pool(&f->pool);
	if (amqp_decode_method(f->method, &f->pool, encoded, ret) < 0)
		return og_fail(err, OG_RETRY, "method 0x%08x of %zu bytes cannot be read", f->method, len);
	return 0;
}

static const char *terminated(amqp_bytes_t b)
{
	if (b.bytes)
		((char *)b.bytes)[b.len] = '\0';
	return b.bytes;
}

/* The names lie in method_args, which is ours and has a byte behind its end; they are terminated where they are, now
 * that all of the method is decoded. */
static void fill_from_method(struct og_message *m, amqp_method_number_t id, void *decoded)
{
	if (id == AMQP_BASIC_DELIVER_METHOD) {
		amqp_basic_deliver_t *d = decoded;

		m->exchange = terminated(d->exchange);
		m->routing_key = terminated(d->routing_key);
		m->delivery_tag = d->delivery_tag;
		m->redelivered = d->redelivered;
	} else {
		amqp_basic_return_t *r = decoded;

		m->exchange = terminated(r->exchange);
		m->routing_key = terminated(r->routing_key);
	}
}

static int content_complete(struct og_frames *f, const void *body, struct og_error *err)
{
	struct og_message m = {.body = body, .body_len = f->body_size};
	void *decoded = NULL;
	uint64_t ticket = 0;

	f->want = OG_FRAMES_METHOD;
	if (decode_method(f, f->method_args.data, f->method_args.len, &decoded, err) < 0)
		return -1;
	if (og_header_decode(f->header.data, f->header.len, &m, &ticket, err) < 0)
		return -1;
	fill_from_method(&m, f->method, decoded);
	return f->events->on_content(f->ctx, f->method, decoded, &m, ticket, err);
}

static int method_frame(struct og_frames *f, const char *payload, size_t len, struct og_error *err)
{
	void *decoded = NULL;

	if (len < 4)
		return og_fail(err, OG_RETRY, "a method frame of %zu bytes", len);
	f->method = get32(payload);
	payload += 4;
	len -= 4;
	if (f->method == AMQP_BASIC_DELIVER_METHOD || f->method == AMQP_BASIC_RETURN_METHOD) {
		og_buf_clear(&f->method_args);
		og_buf_add(&f->method_args, payload, len);
		f->want = OG_FRAMES_HEADER;
		return 0;
	}
	if (decode_method(f, payload, len, &decoded, err) < 0)
		return -1;
	return f->events->on_method(f->ctx, f->method, decoded, err);
}

static int header_frame(struct og_frames *f, const char *payload, size_t len, struct og_error *err)
{
	if (len < 14)
		return og_fail(err, OG_RETRY, "a header frame of %zu bytes", len);
	f->body_size = get64(payload + 4); /* after class and weight */
	f->body_seen = 0;
	og_buf_clear(&f->header);
	og_buf_add(&f->header, payload + 12, len - 12);
	og_buf_clear(&f->body);
	f->want = OG_FRAMES_BODY;
	return f->body_size ? 0 : content_complete(f, "", err);
}

static int body_frame(struct og_frames *f, const char *payload, size_t len, struct og_error *err)
{
	bool over = f->body_size > OG_AMQP_BODY_CAP;

	f->body_seen += len;
	if (f->body_seen > f->body_size)
		return og_fail(err, OG_RETRY, "a body longer than its header says");
	if (len == f->body_size && !over) /* in one frame, as most are: not copied */
		return content_complete(f, payload, err);
	if (!over)
		og_buf_add(&f->body, payload, len);
	if (f->body_seen < f->body_size)
		return 0;
	if (content_complete(f, over ? NULL : f->body.data, err) < 0)
		return -1;
	if (f->body.room > OG_FRAME_MAX)
		og_buf_done(&f->body); /* one large message must not make us large for ever */
	return 0;
}

static int frame(struct og_frames *f, int type, const char *payload, size_t len, struct og_error *err)
{
	switch (type) {
	case AMQP_FRAME_HEARTBEAT:
		return 0;
	case AMQP_FRAME_METHOD:
		if (f->want == OG_FRAMES_METHOD)
			return method_frame(f, payload, len, err);
		break;
	case AMQP_FRAME_HEADER:
		if (f->want == OG_FRAMES_HEADER)
			return header_frame(f, payload, len, err);
		break;
	case AMQP_FRAME_BODY:
		if (f->want == OG_FRAMES_BODY)
			return body_frame(f, payload, len, err);
		break;
	}
	return og_fail(err, OG_RETRY, "a frame of type %d where another was due", type);
}

/* Whole frames of data; how many bytes they were, or -1. */
static ssize_t frames(struct og_frames *f, const char *data, size_t len, struct og_error *err)
{
	size_t at = 0;

	while (len - at >= FRAME_HEAD) {
		const char *head = data + at;
		size_t size = get32(head + 3);

		if (size > OG_FRAME_MAX - FRAME_EXTRA || !memcmp(head, "AMQP", 4))
			return og_fail(err, OG_RETRY, "what answers there does not speak AMQP 0-9-1");
		if (len - at < size + FRAME_EXTRA)
			break;
		if ((unsigned char)head[FRAME_HEAD + size] != AMQP_FRAME_END)
			return og_fail(err, OG_RETRY, "a frame without its end");
		if (frame(f, head[0], head + FRAME_HEAD, size, err) < 0)
			return -1;
		at += size + FRAME_EXTRA;
	}
	return (ssize_t)at;
}

int og_frames_feed(struct og_frames *f, const char *data, size_t len, struct og_error *err)
{
	ssize_t used;

	while (f->partial.len && len) { /* complete the frame that was cut, and it alone */
		size_t want = FRAME_HEAD, more;

		if (f->partial.len >= FRAME_HEAD)
			want = get32(f->partial.data + 3) + FRAME_EXTRA;
		more = want - f->partial.len < len ? want - f->partial.len : len;
		og_buf_add(&f->partial, data, more);
		data += more;
		len -= more;
		used = frames(f, f->partial.data, f->partial.len, err);
		if (used < 0)
			return -1;
		if (used)
			og_buf_clear(&f->partial);
	}
	used = frames(f, data, len, err);
	if (used < 0)
		return -1;
	og_buf_add(&f->partial, data + used, len - (size_t)used);
	return 0;
}

/* writing */

/* Room for n more bytes behind the end; og_buf has no word for it, as nobody else encodes in place. */
static char *reserve(struct og_buf *b, size_t n)
{
	if (b->len + n + 1 > b->room) {
		b->room = (b->len + n + 1) * 2;
		b->data = og_realloc(b->data, b->room);
	}
	return b->data + b->len;
}

static void put_head(char *at, int type, uint16_t channel, size_t size)
{
	uint16_t c = htons(channel);
	uint32_t n = htonl((uint32_t)size);

	at[0] = (char)type;
	memcpy(at + 1, &c, sizeof(c));
	memcpy(at + 3, &n, sizeof(n));
	at[FRAME_HEAD + size] = (char)AMQP_FRAME_END;
}

void og_frames_put_protocol(struct og_buf *out)
{
	og_buf_add(out, "AMQP\0\0\x09\x01", 8);
}

void og_frames_put_heartbeat(struct og_buf *out)
{
	put_head(reserve(out, FRAME_EXTRA), AMQP_FRAME_HEARTBEAT, 0, 0);
	out->len += FRAME_EXTRA;
}

void og_frames_put_method(struct og_buf *out, uint16_t channel, amqp_method_number_t id, void *decoded)
{
	char *at = reserve(out, METHOD_ROOM + FRAME_EXTRA);
	uint32_t number = htonl(id);
	size_t size;

	memcpy(at + FRAME_HEAD, &number, 4);
	size = 4 + (size_t)amqp_encode_method(
			   id, decoded, (amqp_bytes_t){.len = METHOD_ROOM - 4, .bytes = at + FRAME_HEAD + 4});
	put_head(at, AMQP_FRAME_METHOD, channel, size);
	out->len += size + FRAME_EXTRA;
}

static void put_content_header(struct og_buf *out, const struct og_message *m, uint64_t ticket)
{
	size_t room = og_header_room(m), size;
	char *at = reserve(out, 12 + room + FRAME_EXTRA);
	uint16_t class = htons(AMQP_BASIC_CLASS);
	uint32_t high = htonl((uint32_t)((uint64_t)m->body_len >> 32)), low = htonl((uint32_t)m->body_len);

	memset(at + FRAME_HEAD, 0, 4);
	memcpy(at + FRAME_HEAD, &class, 2);
	memcpy(at + FRAME_HEAD + 4, &high, 4);
	memcpy(at + FRAME_HEAD + 8, &low, 4);
	size = 12 + og_header_encode(m, ticket, at + FRAME_HEAD + 12, room);
	put_head(at, AMQP_FRAME_HEADER, OG_FRAME_CHANNEL, size);
	out->len += size + FRAME_EXTRA;
}

void og_frames_put_publish(
	struct og_buf *out, const struct og_message *m, bool mandatory, uint64_t ticket, uint32_t frame_max)
{
	amqp_basic_publish_t method = {
		.exchange = amqp_cstring_bytes(m->exchange ? m->exchange : ""),
		.routing_key = amqp_cstring_bytes(m->routing_key ? m->routing_key : ""),
		.mandatory = mandatory,
	};
	const char *body = m->body;
	size_t left = m->body_len;

	og_frames_put_method(out, OG_FRAME_CHANNEL, AMQP_BASIC_PUBLISH_METHOD, &method);
	put_content_header(out, m, ticket);
	while (left) {
		size_t part = left < frame_max - FRAME_EXTRA ? left : frame_max - FRAME_EXTRA;
		char *at = reserve(out, part + FRAME_EXTRA);

		memcpy(at + FRAME_HEAD, body, part);
		put_head(at, AMQP_FRAME_BODY, OG_FRAME_CHANNEL, part);
		out->len += part + FRAME_EXTRA;
		body += part;
		left -= part;
	}
}
