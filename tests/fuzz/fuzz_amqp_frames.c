/* Bytes of a broker, or of who says to be one, and the bundles in them: the same events come out whatever the pieces in
 * which they arrive, and all strings of a message can be read. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "io/amqp_bundle.h"
#include "io/amqp_frames.h"

struct heard {
	uint64_t sum; /* of all that was said */
	bool refused;
};

static void add(struct heard *h, const void *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		h->sum = (h->sum ^ ((const unsigned char *)data)[i]) * 1099511628211u;
}

static void add_text(struct heard *h, const char *s)
{
	add(h, s ? s : "-", s ? strlen(s) + 1 : 1);
}

static int on_method(void *ctx, amqp_method_number_t id, void *decoded, struct og_error *err)
{
	(void)decoded;
	(void)err;
	add(ctx, &id, sizeof(id));
	return 0;
}

static void add_message(struct heard *ctx, amqp_method_number_t id, const struct og_message *m, uint64_t ticket)
{
	add(ctx, &id, sizeof(id));
	add(ctx, &ticket, sizeof(ticket));
	add_text(ctx, m->exchange);
	add_text(ctx, m->routing_key);
	add_text(ctx, m->type);
	add_text(ctx, m->message_id);
	add_text(ctx, m->correlation_id);
	add_text(ctx, m->reply_to);
	add_text(ctx, m->user_id);
	add_text(ctx, m->content_type);
	for (size_t i = 0; i < m->n_headers; i++) {
		add_text(ctx, m->headers[i].name);
		add_text(ctx, m->headers[i].text);
		add(ctx, &m->headers[i].number, sizeof(m->headers[i].number));
	}
	if (m->body)
		add(ctx, m->body, m->body_len);
}

/* What says that it is a bundle is opened too. */
static int on_content(void *ctx, amqp_method_number_t id, void *decoded, const struct og_message *m, uint64_t ticket,
	struct og_error *err)
{
	struct og_bundle_reader reader = {.outer = m};
	unsigned parts = og_bundle_parts(m);
	struct og_message part;

	(void)decoded;
	(void)err;
	add_message(ctx, id, m, ticket);
	while (parts-- && og_bundle_next(&reader, &part))
		add_message(ctx, id, &part, 0);
	og_bundle_reader_done(&reader);
	return 0;
}

static void feed(const uint8_t *data, size_t size, size_t piece, struct heard *h)
{
	static const struct og_frames_events events = {.on_method = on_method, .on_content = on_content};
	struct og_frames f;
	struct og_error err;

	og_frames_init(&f, &events, h);
	for (size_t at = 0; at < size; at += piece) {
		size_t n = size - at < piece ? size - at : piece;
		og_autofree char *block = og_memdup(data + at, n);

		if (og_frames_feed(&f, block, n, &err) < 0) {
			h->refused = true;
			break;
		}
	}
	og_frames_done(&f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct heard whole = {0}, pieces = {0};

	if (!size)
		return 0;
	feed(data + 1, size - 1, size, &whole);
	feed(data + 1, size - 1, 1 + data[0] % 64, &pieces);
	if (whole.sum != pieces.sum || whole.refused != pieces.refused)
		abort();
	return 0;
}
