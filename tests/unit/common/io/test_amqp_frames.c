#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "io/amqp_frames.h"

TestSuite(amqp_frames, .timeout = 60);

static struct og_frames f;
static struct og_buf wire;
static unsigned methods, contents;
static amqp_method_number_t last_method;
static uint64_t last_tag, last_ticket;
static struct og_message last;
static char *last_body, last_key[256], last_id[256];
static bool stop;

static int on_method(void *ctx, amqp_method_number_t id, void *decoded, struct og_error *err)
{
	(void)ctx;
	methods++;
	last_method = id;
	if (id == AMQP_BASIC_ACK_METHOD)
		last_tag = ((amqp_basic_ack_t *)decoded)->delivery_tag;
	return stop ? og_fail(err, OG_BUSY, "stop") : 0;
}

static int on_content(void *ctx, amqp_method_number_t id, void *decoded, const struct og_message *m, uint64_t ticket,
	struct og_error *err)
{
	(void)ctx;
	(void)decoded;
	(void)err;
	contents++;
	last_method = id;
	last_ticket = ticket;
	last = *m;
	free(last_body);
	last_body = m->body ? og_memdup(m->body, m->body_len) : NULL;
	snprintf(last_key, sizeof(last_key), "%s", m->routing_key);
	snprintf(last_id, sizeof(last_id), "%s", m->message_id ? m->message_id : "");
	return 0;
}

static const struct og_frames_events events = {.on_method = on_method, .on_content = on_content};

static void setup(void)
{
	og_frames_init(&f, &events, NULL);
	og_buf_init(&wire, (size_t)1 << 30);
}

static void teardown(void)
{
	og_frames_done(&f);
	og_buf_done(&wire);
	free(last_body);
}

static int feed(const void *data, size_t len)
{
	/* a block of its own, for the sanitizer to watch */
	og_autofree char *block = og_memdup(data, len);

	return og_frames_feed(&f, block, len, NULL);
}

/* A publish as our encoder puts it is, but for its method, what a broker delivers. */
static void put_delivery(const char *key, const char *id, const void *body, size_t len, uint64_t ticket)
{
	amqp_basic_deliver_t deliver = {.consumer_tag = amqp_cstring_bytes("og-1-1"),
		.delivery_tag = 42,
		.redelivered = 1,
		.exchange = amqp_cstring_bytes("exchange"),
		.routing_key = amqp_cstring_bytes(key)};
	const struct og_message m = {.message_id = id, .body = body, .body_len = len};
	struct og_buf publish;
	size_t method;

	og_buf_init(&publish, (size_t)1 << 30);
	og_frames_put_publish(&publish, &m, false, ticket, OG_FRAME_MAX);
	method = 8 + ((size_t)(unsigned char)publish.data[5] << 8 | (unsigned char)publish.data[6]);
	og_frames_put_method(&wire, 1, AMQP_BASIC_DELIVER_METHOD, &deliver);
	og_buf_add(&wire, publish.data + method, publish.len - method);
	og_buf_done(&publish);
}

static void put_ack(uint64_t tag)
{
	amqp_basic_ack_t ack = {.delivery_tag = tag};

	og_frames_put_method(&wire, 1, AMQP_BASIC_ACK_METHOD, &ack);
}

Test(amqp_frames, methods_and_heartbeats, .init = setup, .fini = teardown)
{
	put_ack(7);
	og_frames_put_heartbeat(&wire);
	put_ack(8);
	cr_assert_eq(feed(wire.data, wire.len), 0);
	cr_assert_eq(methods, 2);
	cr_assert_eq(last_method, AMQP_BASIC_ACK_METHOD);
	cr_assert_eq(last_tag, 8);
}

Test(amqp_frames, a_delivery_in_every_cut, .init = setup, .fini = teardown)
{
	unsigned n = 0;

	put_delivery("key", "id", "body", 4, 0);
	put_ack(9);
	for (size_t cut = 0; cut <= wire.len; cut++) {
		cr_assert_eq(feed(wire.data, cut), 0);
		cr_assert_eq(feed(wire.data + cut, wire.len - cut), 0);
		cr_assert_eq(contents, ++n);
		cr_assert_eq(methods, n);
		cr_assert_str_eq(last_key, "key");
		cr_assert_str_eq(last_id, "id");
		cr_assert_eq(last.delivery_tag, 42);
		cr_assert(last.redelivered);
		cr_assert_eq(last.body_len, 4);
		cr_assert(!memcmp(last_body, "body", 4));
	}
}

Test(amqp_frames, byte_by_byte, .init = setup, .fini = teardown)
{
	put_delivery("key", "id", "body", 4, 3);
	put_delivery("other", "id2", "", 0, 0);
	for (size_t i = 0; i < wire.len; i++)
		cr_assert_eq(feed(wire.data + i, 1), 0);
	cr_assert_eq(contents, 2);
	cr_assert_str_eq(last_key, "other");
	cr_assert_eq(last.body_len, 0);
	cr_assert_not_null(last.body);
}

Test(amqp_frames, a_body_over_many_frames, .init = setup, .fini = teardown)
{
	enum { LEN = 8 * 1024 * 1024 };
	og_autofree char *body = og_alloc(LEN);

	for (size_t i = 0; i < LEN; i++)
		body[i] = (char)(i * 7 + (i >> 13));
	put_delivery("key", "id", body, LEN, 0);
	for (size_t at = 0; at < wire.len; at += 65536)
		cr_assert_eq(feed(wire.data + at, wire.len - at < 65536 ? wire.len - at : 65536), 0);
	cr_assert_eq(contents, 1);
	cr_assert_eq(last.body_len, LEN);
	cr_assert(!memcmp(last_body, body, LEN));
	cr_assert_eq(f.body.room, 0, "its memory is given back");
}

Test(amqp_frames, a_body_over_the_cap_is_not_kept, .init = setup, .fini = teardown)
{
	enum { LEN = OG_AMQP_BODY_CAP + 1 };
	og_autofree char *body = og_alloc(LEN);

	put_delivery("key", "id", body, LEN, 0);
	put_delivery("key", "next", "x", 1, 0);
	cr_assert_eq(feed(wire.data, wire.len - 300), 0);
	cr_assert_eq(f.body.room, 0);
	cr_assert_eq(feed(wire.data + wire.len - 300, 300), 0);
	cr_assert_eq(contents, 2);
	cr_assert_str_eq(last_id, "next");
}

Test(amqp_frames, a_return_brings_its_ticket, .init = setup, .fini = teardown)
{
	amqp_basic_return_t returned = {.reply_code = 312,
		.reply_text = amqp_cstring_bytes("NO_ROUTE"),
		.exchange = amqp_cstring_bytes("x"),
		.routing_key = amqp_cstring_bytes("nowhere")};
	size_t method;

	put_delivery("nowhere", "id", "body", 4, 99);
	method = 8 + ((size_t)(unsigned char)wire.data[5] << 8 | (unsigned char)wire.data[6]);
	og_buf_drop_head(&wire, method);
	{
		og_autofree char *content = og_memdup(wire.data, wire.len);
		size_t len = wire.len;

		og_buf_clear(&wire);
		og_frames_put_method(&wire, 1, AMQP_BASIC_RETURN_METHOD, &returned);
		og_buf_add(&wire, content, len);
	}
	cr_assert_eq(feed(wire.data, wire.len), 0);
	cr_assert_eq(last_method, AMQP_BASIC_RETURN_METHOD);
	cr_assert_eq(last_ticket, 99);
	cr_assert_str_eq(last_key, "nowhere");
}

Test(amqp_frames, publish_is_split_at_frame_max, .init = setup, .fini = teardown)
{
	char body[10000] = "";
	const struct og_message m = {.body = body, .body_len = sizeof(body)};
	unsigned frames = 0;

	og_frames_put_publish(&wire, &m, true, 1, 4096);
	for (size_t at = 0; at < wire.len; frames++) {
		size_t size = (size_t)(unsigned char)wire.data[at + 5] << 8 | (unsigned char)wire.data[at + 6];

		cr_assert_leq(size + 8, 4096);
		at += size + 8;
		cr_assert_eq((unsigned char)wire.data[at - 1], 0xCE);
	}
	cr_assert_eq(frames, 5);
}

Test(amqp_frames, an_event_may_stop_it, .init = setup, .fini = teardown)
{
	put_ack(1);
	put_ack(2);
	stop = true;
	cr_assert_eq(feed(wire.data, wire.len), -1);
	cr_assert_eq(methods, 1);
}

static void refuses(const void *bytes, size_t len)
{
	struct og_error err;

	og_frames_reset(&f);
	cr_expect_eq(og_frames_feed(&f, bytes, len, &err), -1);
	cr_expect_eq(err.kind, OG_RETRY);
}

Test(amqp_frames, refuses_what_is_not_amqp, .init = setup, .fini = teardown)
{
	amqp_basic_deliver_t deliver = {.delivery_tag = 1};

	refuses("AMQP\0\0\x09\x01", 8);
	refuses("HTTP/1.1 400 Bad Request", 24);
	refuses("\x15\x03\x01\x00\x02\x02\x46", 7);                         /* a TLS alert */
	refuses("\x01\0\0\xff\xff\xff\xff", 7);                             /* too large */
	refuses("\x08\0\0\0\0\0\0X", 8);                                    /* no end */
	refuses("\x01\0\1\0\0\0\2ab\xce", 10);                              /* a method without its number */
	refuses("\x01\0\1\0\0\0\4\xff\xff\xff\xff\xce", 12);                /* an unknown one */
	refuses("\x03\0\1\0\0\0\1x\xce", 9);                                /* a body of nothing */
	refuses("\x02\0\1\0\0\0\xe\0\x3c\0\0\0\0\0\0\0\0\0\0\0\0\xce", 22); /* a header of nothing */
	og_frames_put_method(&wire, 1, AMQP_BASIC_DELIVER_METHOD, &deliver);
	og_buf_add(&wire, "\x03\0\1\0\0\0\1x\xce", 9); /* a body without its header */
	refuses(wire.data, wire.len);
	og_buf_clear(&wire);
	put_delivery("key", "id", "body", 4, 0);
	og_buf_add(&wire, "\x03\0\1\0\0\0\1x\xce", 9); /* a body frame too many */
	refuses(wire.data, wire.len);
}
