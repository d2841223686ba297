/* From the connection's start to its channel: who we are, what we can do, and whether the broker will do. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "io/amqp_rabbit.h"

#define OLDEST_MAJOR 3 /* RabbitMQ 3.10: message TTL in quorum queues */
#define OLDEST_MINOR 10
#define LEAST_FRAME  (70u * 1024) /* the largest header that publish lets through, in one frame */
#define PLAIN_MAX    520

static amqp_field_value_t text_value(const char *s)
{
	return (amqp_field_value_t){.kind = AMQP_FIELD_KIND_UTF8, .value.bytes = amqp_cstring_bytes(s)};
}

static amqp_table_entry_t text_entry(const char *key, const char *value)
{
	return (amqp_table_entry_t){.key = amqp_cstring_bytes(key), .value = text_value(value)};
}

static amqp_table_entry_t yes(const char *key)
{
	return (amqp_table_entry_t){
		.key = amqp_cstring_bytes(key), .value = {.kind = AMQP_FIELD_KIND_BOOLEAN, .value.boolean = 1}};
}

/* Without these the broker keeps to itself that a consumer's queue is gone, that an alarm blocks us, that a password
 * is wrong. */
static void say_start_ok(struct og_rabbit *c)
{
	amqp_table_entry_t abilities[] = {
		yes("authentication_failure_close"),
		yes("basic.nack"),
		yes("connection.blocked"),
		yes("consumer_cancel_notify"),
		yes("publisher_confirms"),
	};
	amqp_table_entry_t properties[] = {
		text_entry("product", "OpenGateway"),
		text_entry("version", OG_VERSION),
		text_entry("connection_name", c->name),
		{.key = amqp_cstring_bytes("capabilities"),
			.value = {.kind = AMQP_FIELD_KIND_TABLE,
				.value.table = {.num_entries = OG_COUNT(abilities), .entries = abilities}}},
	};
	char plain[PLAIN_MAX];
	int n = snprintf(plain, sizeof(plain), "%c%s%c%s", 0, c->user, 0, c->password);
	amqp_connection_start_ok_t m = {
		.client_properties = {.num_entries = OG_COUNT(properties), .entries = properties},
		.mechanism = amqp_cstring_bytes("PLAIN"),
		.response = {.len = (size_t)n, .bytes = plain},
		.locale = amqp_cstring_bytes("en_US"),
	};

	og_rabbit_say(c, 0, AMQP_CONNECTION_START_OK_METHOD, &m);
}

static bool property_is(const amqp_table_entry_t *e, const char *key)
{
	return e->key.len == strlen(key) && !memcmp(e->key.bytes, key, e->key.len) &&
	       e->value.kind == AMQP_FIELD_KIND_UTF8;
}

/* A broker too old for us would take our queues and then lose what they promise. One of another make is not judged. */
static int check_version(const amqp_connection_start_t *start, struct og_error *err)
{
	char product[32] = "", version[32] = "";
	int major = 0, minor = 0;

	for (int i = 0; i < start->server_properties.num_entries; i++) {
		const amqp_table_entry_t *e = &start->server_properties.entries[i];
		const amqp_bytes_t *v = &e->value.value.bytes;

		if (property_is(e, "product"))
			snprintf(product, sizeof(product), "%.*s", (int)v->len, (const char *)v->bytes);
		else if (property_is(e, "version"))
			snprintf(version, sizeof(version), "%.*s", (int)v->len, (const char *)v->bytes);
	}
	if (strcmp(product, "RabbitMQ") != 0 || sscanf(version, "%d.%d", &major, &minor) != 2)
		return 0;
	if (major > OLDEST_MAJOR || (major == OLDEST_MAJOR && minor >= OLDEST_MINOR))
		return 0;
	return og_fail(err, OG_FATAL, "it is RabbitMQ %s; %d.%d is the least that will do", version, OLDEST_MAJOR,
		OLDEST_MINOR);
}

static int on_start(struct og_rabbit *c, const amqp_connection_start_t *m, struct og_error *err)
{
	if (check_version(m, err) < 0)
		return -1;
	say_start_ok(c);
	return 0;
}

static int on_tune(struct og_rabbit *c, const amqp_connection_tune_t *m, struct og_error *err)
{
	amqp_connection_tune_ok_t ok = {
		.channel_max = OG_FRAME_CHANNEL,
		.frame_max = m->frame_max && m->frame_max < OG_FRAME_MAX ? m->frame_max : OG_FRAME_MAX,
		.heartbeat = (uint16_t)(c->heartbeat_ms / 1000),
	};
	amqp_connection_open_t open = {.virtual_host = amqp_cstring_bytes(c->vhost)};

	if (ok.frame_max < LEAST_FRAME)
		return og_fail(err, OG_FATAL, "its frame_max is %u bytes; %u is the least that will do", ok.frame_max,
			LEAST_FRAME);
	c->frame_max = ok.frame_max;
	og_rabbit_say(c, 0, AMQP_CONNECTION_TUNE_OK_METHOD, &ok);
	og_rabbit_say(c, 0, AMQP_CONNECTION_OPEN_METHOD, &open);
	og_rabbit_start_beating(c);
	return 0;
}

static void on_open_ok(struct og_rabbit *c)
{
	amqp_channel_open_t open = {.out_of_band = amqp_empty_bytes};
	amqp_confirm_select_t select = {.nowait = 0};
	amqp_basic_qos_t qos = {.global = 1};

	og_rabbit_say(c, OG_FRAME_CHANNEL, AMQP_CHANNEL_OPEN_METHOD, &open);
	og_rabbit_say(c, OG_FRAME_CHANNEL, AMQP_CONFIRM_SELECT_METHOD, &select);
	qos.prefetch_count = (uint16_t)c->prefetch_global;
	if (c->prefetch_global)
		og_rabbit_say(c, OG_FRAME_CHANNEL, AMQP_BASIC_QOS_METHOD, &qos);
}

static int unexpected(amqp_method_number_t id, struct og_error *err)
{
	return og_fail(err, OG_RETRY, "method %u.%u came where it makes no sense", id >> 16, id & 0xffff);
}

int og_rabbit_login_method(struct og_rabbit *c, amqp_method_number_t id, void *m, struct og_error *err)
{
	if (c->state != OG_RABBIT_LOGIN)
		return unexpected(id, err);
	switch (id) {
	case AMQP_CONNECTION_START_METHOD:
		return on_start(c, m, err);
	case AMQP_CONNECTION_TUNE_METHOD:
		return on_tune(c, m, err);
	case AMQP_CONNECTION_OPEN_OK_METHOD:
		on_open_ok(c);
		return 0;
	case AMQP_CHANNEL_OPEN_OK_METHOD:
		return 0;
	default:
		return unexpected(id, err);
	}
}
