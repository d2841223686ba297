#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "leaks.h"
#include "model/envelope.h"
#include "model/names.h"

#define ID    "6ba7b810-9dad-11d1-80b4-00c04fd430c8"
#define REPLY "cli~0123456789abcdef0123456789abcdef"
#define LEASE "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

TestSuite(envelope, .timeout = 60);

/* A message of `type` that decodes, to be spoilt by the test. */
static struct og_message good(const char *type)
{
	return (struct og_message){
		.type = type, .message_id = ID, .headers = {{"og-version", "1.0", 0}}, .n_headers = 1};
}

static void add(struct og_message *m, const char *name, const char *text, int64_t number)
{
	m->headers[m->n_headers++] = (struct og_header){name, text, number};
}

/* The message of the refusal. */
static const char *refused(const struct og_message *m)
{
	static struct og_error err;
	struct og_envelope e = {.seq = 77};

	cr_assert_eq(og_envelope_decode(m, &e, &err), -1);
	cr_assert_eq(err.kind, OG_INVALID);
	cr_assert_eq(e.seq, 77, "the output is untouched on failure");
	return err.message;
}

static void accepted(const struct og_message *m, struct og_envelope *ret)
{
	struct og_error err = {0};

	cr_assert_eq(og_envelope_decode(m, ret, &err), 0, "%s", err.message);
}

static const struct og_envelope full = {
	.type = OG_T_RESPONSE,
	.id = ID,
	.reply_to = REPLY,
	.content_type = "application/json",
	.timestamp_s = 1795242680,
	.tier = "SmolLM2-135M",
	.model = "smollm2",
	.region = "eu",
	.tenant = "t1",
	.submitter = "cli",
	.class_name = "batch",
	.deadline_ms = 1795242680123,
	.accepted_ms = 1795242680001,
	.attempt = 2,
	.run = 3,
	.lease = LEASE,
	.epoch = 1795242670000,
	.stream = 1,
	.progress = 1,
	.explicit_id = 1,
	.detach = 1,
	.seq = 40,
	.state = "failed",
	.error_type = "engine_error",
	.node = ID,
	.node_name = "NodeÄ",
	.worker = "NodeA/SmolLM2-135M/0",
	.queue_ms = 5,
	.first_token_ms = 6,
	.run_ms = 7,
	.prompt_tokens = 8,
	.completion_tokens = 9,
	.ahead = 10,
	.max_tokens = 11,
	.verb = "jobs",
	.session = "chat 7",
	.avoid = ID,
	.tried = ID "," ID,
	.reason = "the engine answered 500:\nout of memory",
	.suspect = 1,
	.deaths = 2,
	.not_before_ms = 1795242690000,
	.operation = "embed",
	.traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
	.tracestate = "a=b",
};

Test(envelope, what_is_encoded_decodes_to_the_same)
{
	struct og_message m = {.user_id = "cli", .body = "b", .body_len = 1};
	struct og_envelope e, want = full;

	og_envelope_encode(&full, &m);
	cr_expect_str_eq(m.user_id, "cli");
	cr_expect_eq(m.body_len, 1);
	cr_expect_str_eq(m.correlation_id, ID);
	cr_expect_eq(m.n_headers, 41);
	accepted(&m, &e);
	cr_expect_str_eq(e.version, "1.3");
	want.version = e.version;
	want.user_id = m.user_id;
	/* Every string of it is borrowed, so the structs are equal byte by byte. */
	cr_expect_eq(memcmp(&e, &want, sizeof(e)), 0);
}

Test(envelope, what_is_absent_is_left_out)
{
	struct og_envelope e = {.type = OG_T_REQUEST, .id = ID, .region = ""}, back;
	struct og_message m = {0};

	og_envelope_encode(&e, &m);
	cr_expect_eq(m.n_headers, 1);
	cr_expect_str_eq(m.headers[0].name, "og-version");
	cr_expect_str_eq(m.headers[0].text, "1.3");
	accepted(&m, &back);
	cr_expect_null(back.region);
	cr_expect_null(back.reply_to);
	cr_expect_eq(back.deadline_ms, 0);
}

Test(envelope, what_it_does_not_know_is_carried_on)
{
	struct og_message m = good(OG_T_REQUEST);
	struct og_envelope e;

	add(&m, "og-tenant", "forged", 0);
	add(&m, "traceparent", "00-0af7", 0);
	add(&m, "og-of-1-9", NULL, 5);
	add(&m, "x-delivery-count", NULL, 4);
	add(&m, "x-death", "…", 0);
	accepted(&m, &e);
	cr_expect_eq(e.delivery_count, 4);
	e.tenant = "real";
	og_envelope_encode(&e, &m);
	cr_expect_eq(m.n_headers, 4);
	cr_expect_str_eq(og_message_header(&m, "og-tenant")->text, "real");
	cr_expect_str_eq(og_message_header(&m, "traceparent")->text, "00-0af7");
	cr_expect_eq(og_message_header(&m, "og-of-1-9")->number, 5);
	cr_expect_null(og_message_header(&m, "x-delivery-count"));
}

Test(envelope, ours_go_first_where_not_all_fit)
{
	struct og_message m = {0};

	while (m.n_headers < OG_MESSAGE_HEADERS_MAX)
		add(&m, "foreign", "x", 0);
	og_envelope_encode(&full, &m);
	cr_expect_eq(m.n_headers, OG_MESSAGE_HEADERS_MAX);
	cr_expect_str_eq(m.headers[30].name, "og-verb");
	cr_expect_str_eq(m.headers[41].name, "foreign");
}

Test(envelope, versions)
{
	static const struct {
		const char *version, *message; /* NULL: accepted */
	} rows[] = {{"1.0", NULL}, {"1.7", NULL}, {"1.123", NULL},
		{"2.0", "unknown version 2.0: this program speaks 1.3"},
		{"0.9", "unknown version 0.9: this program speaks 1.3"},
		{"4294967297.0", "unknown version 4294967297.0: this program speaks 1.3"},
		{"", "unknown version '': not major.minor"}, {"1", "unknown version '1': not major.minor"},
		{"1.", "unknown version '1.': not major.minor"}, {".1", "unknown version '.1': not major.minor"},
		{" 1.0", "unknown version ' 1.0': not major.minor"},
		{"1.0b", "unknown version '1.0b': not major.minor"}};

	for (size_t i = 0; i < OG_COUNT(rows); i++) {
		struct og_message m = good(OG_T_REQUEST);
		struct og_envelope e;

		m.headers[0].text = rows[i].version;
		if (rows[i].message)
			cr_expect_str_eq(refused(&m), rows[i].message);
		else
			accepted(&m, &e);
	}
}

Test(envelope, another_version_is_told_before_all_else)
{
	struct og_message m = {.type = OG_T_REQUEST,
		.message_id = "not a uuid",
		.headers = {{"og-deadline", "soon", 0}, {"og-version", "9.0", 0}},
		.n_headers = 2};

	cr_expect(!strncmp(refused(&m), "unknown version", 15));
}

Test(envelope, each_type_has_what_it_must_have)
{
	struct og_message m = good(OG_T_REQUEST);
	struct og_envelope e;

	m.n_headers = 0;
	cr_expect_str_eq(refused(&m), "og-version is missing");
	m.type = NULL;
	cr_expect_str_eq(refused(&m), "type is missing");

	m = good(OG_T_REQUEST);
	m.message_id = NULL;
	cr_expect_str_eq(refused(&m), "message_id is missing");
	m.correlation_id = ID;
	accepted(&m, &e);
	cr_expect_str_eq(e.id, ID);

	m = good(OG_T_CHUNK);
	cr_expect_str_eq(refused(&m), "og-attempt is missing");
	add(&m, "og-attempt", NULL, 1);
	accepted(&m, &e);
	m = good(OG_T_RESPONSE);
	cr_expect_str_eq(refused(&m), "og-state is missing");
	add(&m, "og-state", "done", 0);
	accepted(&m, &e);
	m = good(OG_T_PLACED);
	cr_expect_str_eq(refused(&m), "og-state is missing");
	m = good(OG_T_STARTED);
	cr_expect_str_eq(refused(&m), "og-attempt is missing");
	m = good(OG_T_RPC);
	cr_expect_str_eq(refused(&m), "og-verb is missing");

	/* These carry their own versioned bodies, or nothing. */
	m = (struct og_message){.type = OG_T_PRESENCE};
	accepted(&m, &e);
	m = (struct og_message){.type = OG_T_MEMBERSHIP};
	accepted(&m, &e);
	m = (struct og_message){.type = OG_T_CANCEL, .message_id = ID};
	accepted(&m, &e);
	m = (struct og_message){.type = "of_a_later_minor_version"};
	accepted(&m, &e);
}

Test(envelope, properties_have_a_shape)
{
	struct og_message m = good(OG_T_REQUEST);

	m.message_id = "1";
	cr_expect_str_eq(refused(&m), "message_id '1' is not a UUID in lower case");
	m = good(OG_T_REQUEST);
	m.reply_to = "amq.rabbitmq.reply-to";
	cr_expect_str_eq(refused(&m), "reply_to is not <user>~<32 hex digits>");
	m = good(OG_T_REQUEST);
	m.user_id = "a\nb";
	cr_expect_str_eq(refused(&m), "user_id holds a control character");
	m = good(OG_T_REQUEST);
	m.content_type = "";
	cr_expect_str_eq(refused(&m), "content_type is 0 bytes long, 1 to 127 are allowed");
}

Test(envelope, a_timestamp_beyond_all_years_is_none)
{
	struct og_message m = good(OG_T_REQUEST);
	struct og_envelope e;

	m.timestamp_s = UINT64_MAX;
	accepted(&m, &e);
	cr_expect_eq(e.timestamp_s, 0);
}

Test(envelope, headers_have_types_and_bounds)
{
	static char long_name[OG_NAME_MAX + 1];
	const struct {
		const char *name, *text;
		int64_t number;
		const char *message;
	} rows[] = {
		{"og-tier", NULL, 1, "og-tier is a number, text is wanted"},
		{"og-tier", "", 0, "og-tier is 0 bytes long, 1 to 127 are allowed"},
		{"og-tier", long_name, 0, "og-tier is 128 bytes long, 1 to 127 are allowed"},
		{"og-tier", "a\x7f", 0, "og-tier holds a control character"},
		{"og-tenant", "a\nb", 0, "og-tenant holds a control character"},
		{"og-model", "\xff", 0, "og-model is not UTF-8"},
		{"og-class", "urgent", 0, "og-class: 'urgent' is no class (high, normal, batch)"},
		{"og-class", NULL, 1, "og-class is a number, text is wanted"},
		{"og-state", "gone", 0, "og-state: 'gone' is no state of a job"},
		{"og-lease", "00", 0, "og-lease is not 64 lower-case hex digits"},
		{"og-lease", "Z0112233445566778899aabbccddeeff00112233445566778899aabbccddeeff", 0,
			"og-lease is not 64 lower-case hex digits"},
		{"og-error", "Engine Error", 0, "og-error is not a name in lower case"},
		{"og-deadline", "1", 0, "og-deadline is text, a number is wanted"},
		{"og-deadline", NULL, -1, "og-deadline is -1, 0 to 253402300799999 are allowed"},
		{"og-deadline", NULL, INT64_MAX,
			"og-deadline is 9223372036854775807, 0 to 253402300799999 are allowed"},
		{"og-attempt", NULL, 0, "og-attempt is 0, 1 to 1000000 are allowed"},
		{"og-stream", NULL, 2, "og-stream is 2, 0 to 1 are allowed"},
		{"og-version", "1.0", 0, "og-version is there twice"},
		{"x-delivery-count", "1", 0, "x-delivery-count is text, a number is wanted"},
	};

	memset(long_name, 'x', OG_NAME_MAX);
	for (size_t i = 0; i < OG_COUNT(rows); i++) {
		struct og_message m = good(OG_T_REQUEST);

		add(&m, rows[i].name, rows[i].text, rows[i].number);
		cr_expect_str_eq(refused(&m), rows[i].message);
	}
}

Test(envelope, unknown_headers_are_ignored_whatever_they_hold)
{
	struct og_message m = good(OG_T_REQUEST);
	struct og_envelope e;

	add(&m, "og-tomorrow", "\xff\n", 0);
	add(&m, "", "", 0);
	accepted(&m, &e);
}

Test(envelope, what_strangers_say_is_checked_before_it_is_sent)
{
	const struct og_envelope good = {
		.type = OG_T_RPC, .id = "11111111-2222-3333-4444-555555555555", .verb = "tiers"};
	struct og_envelope bad = good;
	struct og_error err;

	cr_assert_eq(og_envelope_check(&good, &err), 0, "%s", err.message);
	bad.region = "a\x01";
	cr_assert_lt(og_envelope_check(&bad, &err), 0);
	cr_assert_str_eq(err.message, "og-region holds a control character");
}
