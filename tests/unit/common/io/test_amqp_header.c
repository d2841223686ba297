#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "io/amqp_header.h"

TestSuite(amqp_header, .timeout = 60);

/* Bytes of a header, to be decoded from a block of exactly their size and one more: the sanitizer watches its end. */
static int decode(const void *bytes, size_t len, struct og_message *m, uint64_t *ticket, char **ret_block)
{
	char *block = malloc(len + 1);

	memcpy(block, bytes, len);
	*m = (struct og_message){0};
	*ret_block = block;
	return og_header_decode(block, len, m, ticket, NULL);
}

Test(amqp_header, round_trip)
{
	const struct og_message m = {
		.type = "inference_request",
		.message_id = "id",
		.correlation_id = "corr",
		.reply_to = "user~0123",
		.user_id = "user",
		.content_type = "application/json",
		.timestamp_s = 1700000000,
		.persistent = true,
		.headers = {{.name = "og-tier", .text = "Grüße"}, {.name = "og-attempt", .number = -3},
			{.name = "og-deadline", .number = INT64_MAX}, {.name = "empty", .text = ""}},
		.n_headers = 4,
	};
	og_autofree char *block = NULL;
	struct og_message got;
	uint64_t ticket;
	char out[1024];
	size_t len;

	cr_assert_leq(og_header_room(&m), sizeof(out));
	len = og_header_encode(&m, 77, out, og_header_room(&m));
	cr_assert_gt(len, 0);
	cr_assert_eq(decode(out, len, &got, &ticket, &block), 0);
	cr_assert_eq(ticket, 77);
	cr_assert_str_eq(got.type, m.type);
	cr_assert_str_eq(got.message_id, "id");
	cr_assert_str_eq(got.correlation_id, "corr");
	cr_assert_str_eq(got.reply_to, "user~0123");
	cr_assert_str_eq(got.user_id, "user");
	cr_assert_str_eq(got.content_type, "application/json");
	cr_assert_eq(got.timestamp_s, 1700000000);
	cr_assert(got.persistent);
	cr_assert_eq(got.n_headers, 4);
	cr_assert_str_eq(og_message_header(&got, "og-tier")->text, "Grüße");
	cr_assert_eq(og_message_header(&got, "og-attempt")->number, -3);
	cr_assert_null(og_message_header(&got, "og-attempt")->text);
	cr_assert_eq(og_message_header(&got, "og-deadline")->number, INT64_MAX);
	cr_assert_str_eq(og_message_header(&got, "empty")->text, "");
}

Test(amqp_header, absent_properties_are_null)
{
	og_autofree char *block = NULL;
	struct og_message got;
	uint64_t ticket = 5;

	cr_assert_eq(decode("\0\0", 2, &got, &ticket, &block), 0);
	cr_assert_null(got.type);
	cr_assert_null(got.message_id);
	cr_assert_eq(got.n_headers, 0);
	cr_assert(!got.persistent);
	cr_assert_eq(ticket, 0);
}

/* 0x2000: the headers table alone. */
#define TABLE(size) "\x20\x00\x00\x00\x00" size

Test(amqp_header, skips_what_it_has_no_room_for)
{
	static const char bytes[] = TABLE("\x57") "\1a"
						  "f\0\0\0\0" /* float */
						  "\1b"
						  "d\0\0\0\0\0\0\0\0" /* double */
						  "\1c"
						  "D\2\0\0\0\1" /* decimal */
						  "\1d"
						  "F\0\0\0\x5\2xx"
						  "t\1" /* a table */
						  "\1e"
						  "A\0\0\0\2t\1" /* an array */
						  "\1f"
						  "V" /* void */
						  "\1g"
						  "x\0\0\0\3abc" /* bytes */
						  "\1h"
						  "b\xff"
						  "\1i"
						  "s\xff\xfe"
						  "\1j"
						  "i\xff\xff\xff\xff"
						  "\1k"
						  "T\0\0\0\0\0\0\0\7";
	og_autofree char *block = NULL;
	struct og_message got;
	uint64_t ticket;

	cr_assert_eq(sizeof(bytes) - 1, 6 + 0x57);
	cr_assert_eq(decode(bytes, sizeof(bytes) - 1, &got, &ticket, &block), 0);
	cr_assert_eq(got.n_headers, 4);
	cr_assert_eq(og_message_header(&got, "h")->number, -1);
	cr_assert_eq(og_message_header(&got, "i")->number, -2);
	cr_assert_eq(og_message_header(&got, "j")->number, UINT32_MAX);
	cr_assert_eq(og_message_header(&got, "k")->number, 7);
}

Test(amqp_header, an_unknown_kind_ends_the_table_only)
{
	/* headers and type */
	static const char bytes[] = "\x20\x20\x00\x00\x00\x08\1at\1\1b?x\4type";
	og_autofree char *block = NULL;
	struct og_message got;
	uint64_t ticket;

	cr_assert_eq(decode(bytes, sizeof(bytes) - 1, &got, &ticket, &block), 0);
	cr_assert_eq(got.n_headers, 1);
	cr_assert_str_eq(got.type, "type");
}

Test(amqp_header, headers_beyond_the_most_are_dropped)
{
	og_autofree char *bytes = og_alloc(6 + 400);
	og_autofree char *block = NULL;
	struct og_message got;
	uint64_t ticket;

	memcpy(bytes, "\x20\x00\x00\x00\x01\x90", 6); /* 100 headers of 4 bytes */
	for (size_t i = 0; i < 100; i++)
		memcpy(bytes + 6 + 4 * i, "\1nt\1", 4);
	cr_assert_eq(decode(bytes, 406, &got, &ticket, &block), 0);
	cr_assert_eq(got.n_headers, OG_MESSAGE_HEADERS_MAX);
}

/* librabbitmq would follow these one stack frame after the other. */
Test(amqp_header, deep_nesting_costs_nothing)
{
	enum { DEPTH = 20000, LEN = 6 + DEPTH * 6 };
	og_autofree char *bytes = og_alloc(LEN);
	og_autofree char *block = NULL;
	struct og_message got;
	uint64_t ticket;

	memcpy(bytes, "\x20\x00", 2);
	for (size_t i = 0; i <= DEPTH; i++) {
		size_t inside = (DEPTH - i) * 6;

		if (i)
			memcpy(bytes + 6 + (i - 1) * 6, "\0F", 2);
		for (int b = 0; b < 4; b++)
			bytes[2 + i * 6 + (size_t)b] = (char)(inside >> (24 - 8 * b));
	}
	cr_assert_eq(decode(bytes, LEN, &got, &ticket, &block), 0);
	cr_assert_eq(got.n_headers, 0);
}

Test(amqp_header, every_cut_is_refused_or_read_whole)
{
	const struct og_message m = {.type = "t",
		.message_id = "id",
		.headers = {{.name = "a", .text = "text"}, {.name = "n", .number = 1}},
		.n_headers = 2,
		.timestamp_s = 1};
	char out[512];
	size_t len = og_header_encode(&m, 1, out, sizeof(out));

	for (size_t cut = 0; cut < len; cut++) {
		og_autofree char *block = NULL;
		struct og_message got;
		uint64_t ticket;

		cr_expect_eq(decode(out, cut, &got, &ticket, &block), -1, "cut at %zu of %zu", cut, len);
	}
}

static int sendable(const struct og_message *m)
{
	struct og_error err;
	int result = og_message_sendable(m, "me", &err);

	cr_assert(result == 0 || err.kind == OG_INVALID);
	return result;
}

Test(amqp_header, what_cannot_be_sent)
{
	og_autofree char *large = og_alloc(70000);
	char text[257] = "";

	memset(text, 'x', 256);
	memset(large, 'x', 69999);
	cr_assert_eq(sendable(&(struct og_message){.user_id = "me", .body_len = OG_AMQP_BODY_CAP}), 0);
	cr_assert_eq(sendable(&(struct og_message){.user_id = "you"}), -1);
	cr_assert_eq(sendable(&(struct og_message){.body_len = OG_AMQP_BODY_CAP + 1}), -1);
	cr_assert_eq(sendable(&(struct og_message){.exchange = text}), -1);
	cr_assert_eq(sendable(&(struct og_message){.routing_key = text}), -1);
	cr_assert_eq(sendable(&(struct og_message){.message_id = text}), -1);
	cr_assert_eq(sendable(&(struct og_message){.reply_to = text}), -1);
	cr_assert_eq(sendable(&(struct og_message){.headers = {{.name = text}}, .n_headers = 1}), -1);
	cr_assert_eq(sendable(&(struct og_message){.headers = {{.name = "a", .text = large}}, .n_headers = 1}), -1);
	cr_assert_eq(sendable(&(struct og_message){.n_headers = OG_MESSAGE_HEADERS_MAX + 1}), -1);
	text[255] = '\0';
	cr_assert_eq(sendable(&(struct og_message){.routing_key = text}), 0);
}
