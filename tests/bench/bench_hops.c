/* What the broker allows: three bare hops of a message with librabbitmq, and nothing else.
 *
 *   BENCH_AMQP=amqp://USER:PASSWORD@HOST:PORT/VHOST bench_hops [--jobs N] [--window W] [--body BYTES] [--rate PER_S]
 *
 *     requester ──▶ [bench.hops.request] ──▶ mover ──▶ [bench.hops.work] ──▶ worker ──▶ [bench.hops.done] ──▶ requester
 *
 * As the jobs of the network go, all three are quorum queues, and each hop is a persistent publish that the broker confirms, and only
 * then the ack of where it came from. Three threads, each with a connection; publishes do not wait for one another, confirms are read as
 * they come, acks are settled together once a burst is read: as fast as the library is used without bundling what waits. */
#include <amqp.h>
#include <amqp_tcp_socket.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "tally.h"

#define CHANNEL   1
#define PREFETCH  2000 /* more than that held costs the broker, see DESIGN's invariant 9 */
#define ACKS      256  /* settled together, at most */
#define IDLE_US   20000
#define RING      (1 << 16) /* publishes that are not confirmed; a window is below it */
#define FRAME_MAX 131072

static const char *const queues[] = {"bench.hops.request", "bench.hops.work", "bench.hops.done"};
static char *broker;
static atomic_bool over;

struct hop {
	amqp_connection_state_t connection;
	const char *to; /* the queue that it publishes into */
	uint64_t published, settled, acked;
	bool confirmed[RING];
	char body[FRAME_MAX];
};

enum what { NOTHING, DELIVERY, CONFIRM };

struct event {
	enum what what;
	uint64_t tag;
	bool multiple;
	amqp_basic_properties_t *properties; /* of a delivery; in the connection's pool, until `release` */
	size_t length;
};

static void die(const char *doing, const char *why)
{
	fprintf(stderr, "bench_hops: %s: %s\n", doing, why);
	exit(2);
}

static void must(int status, const char *doing)
{
	if (status != AMQP_STATUS_OK)
		die(doing, amqp_error_string2(status));
}

static void must_reply(amqp_connection_state_t connection, const char *doing)
{
	amqp_rpc_reply_t reply = amqp_get_rpc_reply(connection);

	if (reply.reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION)
		die(doing, amqp_error_string2(reply.library_error));
	if (reply.reply_type != AMQP_RESPONSE_NORMAL)
		die(doing, amqp_method_name(reply.reply.id));
}

static amqp_connection_state_t dial(void)
{
	struct amqp_connection_info to;
	amqp_connection_state_t connection = amqp_new_connection();
	char url[512];
	int n = snprintf(url, sizeof(url), "%s", broker);
	amqp_rpc_reply_t reply;

	if (n < 0 || (size_t)n >= sizeof(url) || amqp_parse_url(url, &to) != AMQP_STATUS_OK)
		die("BENCH_AMQP", "is no URL of a broker");
	must(amqp_socket_open(amqp_tcp_socket_new(connection), to.host, to.port), "connecting");
	reply = amqp_login(connection, to.vhost, 0, FRAME_MAX, 0, AMQP_SASL_METHOD_PLAIN, to.user, to.password);
	if (reply.reply_type != AMQP_RESPONSE_NORMAL)
		die("logging in", "refused");
	amqp_channel_open(connection, CHANNEL);
	must_reply(connection, "opening a channel");
	return connection;
}

static void hang_up(amqp_connection_state_t connection)
{
	amqp_connection_close(connection, AMQP_REPLY_SUCCESS);
	amqp_destroy_connection(connection);
}

static void make_queues(amqp_connection_state_t connection)
{
	amqp_table_entry_t type = {.key = amqp_cstring_bytes("x-queue-type"),
		.value = {.kind = AMQP_FIELD_KIND_UTF8, .value.bytes = amqp_cstring_bytes("quorum")}};

	for (size_t i = 0; i < 3; i++) {
		amqp_queue_declare(
			connection, CHANNEL, amqp_cstring_bytes(queues[i]), 0, 1, 0, 0, (amqp_table_t){1, &type});
		must_reply(connection, "declaring a queue");
		amqp_queue_purge(connection, CHANNEL, amqp_cstring_bytes(queues[i]));
		must_reply(connection, "emptying a queue");
	}
}

static void delete_queues(amqp_connection_state_t connection)
{
	for (size_t i = 0; i < 3; i++)
		amqp_queue_delete(connection, CHANNEL, amqp_cstring_bytes(queues[i]), 0, 0);
}

static struct hop *hop_new(const char *from, const char *to)
{
	struct hop *hop = calloc(1, sizeof(*hop));

	if (!hop)
		abort();
	hop->to = to;
	hop->connection = dial();
	amqp_confirm_select(hop->connection, CHANNEL);
	must_reply(hop->connection, "asking for confirms");
	amqp_basic_qos(hop->connection, CHANNEL, 0, PREFETCH, 0);
	must_reply(hop->connection, "asking for a prefetch");
	amqp_basic_consume(
		hop->connection, CHANNEL, amqp_cstring_bytes(from), amqp_empty_bytes, 0, 0, 0, amqp_empty_table);
	must_reply(hop->connection, "consuming");
	return hop;
}

static void hop_free(struct hop *hop)
{
	hang_up(hop->connection);
	free(hop);
}

/* The header and body behind a basic.deliver, which follow at once. */
static void read_content(struct hop *hop, struct event *e)
{
	amqp_frame_t frame;
	size_t total;

	must(amqp_simple_wait_frame(hop->connection, &frame), "reading a header");
	if (frame.frame_type != AMQP_FRAME_HEADER)
		die("reading", "a delivery without a header");
	e->properties = frame.payload.properties.decoded;
	total = (size_t)frame.payload.properties.body_size;
	if (total > sizeof(hop->body))
		die("reading", "a body that is too large");
	for (e->length = 0; e->length < total; e->length += frame.payload.body_fragment.len) {
		must(amqp_simple_wait_frame(hop->connection, &frame), "reading a body");
		if (frame.frame_type != AMQP_FRAME_BODY || frame.payload.body_fragment.len > total - e->length)
			die("reading", "a delivery without a body");
		memcpy(hop->body + e->length, frame.payload.body_fragment.bytes, frame.payload.body_fragment.len);
	}
}

/* What comes within `wait_us`. */
static struct event next_event(struct hop *hop, int64_t wait_us)
{
	struct timeval patience = {.tv_sec = wait_us / 1000000, .tv_usec = wait_us % 1000000};
	struct event e = {0};
	amqp_frame_t frame;
	int status;

	amqp_maybe_release_buffers_on_channel(hop->connection, CHANNEL);
	status = amqp_simple_wait_frame_noblock(hop->connection, &frame, &patience);
	if (status == AMQP_STATUS_TIMEOUT)
		return e;
	must(status, "reading");
	if (frame.frame_type != AMQP_FRAME_METHOD)
		die("reading", "a frame out of turn");
	if (frame.payload.method.id == AMQP_BASIC_DELIVER_METHOD) {
		const amqp_basic_deliver_t *deliver = frame.payload.method.decoded;

		e.what = DELIVERY;
		e.tag = deliver->delivery_tag;
		read_content(hop, &e);
	} else if (frame.payload.method.id == AMQP_BASIC_ACK_METHOD) {
		const amqp_basic_ack_t *ack = frame.payload.method.decoded;

		e.what = CONFIRM;
		e.tag = ack->delivery_tag;
		e.multiple = ack->multiple;
	} else {
		die("the broker said", amqp_method_name(frame.payload.method.id));
	}
	return e;
}

static void publish(struct hop *hop, const amqp_basic_properties_t *properties, size_t length)
{
	amqp_bytes_t body = {.len = length, .bytes = hop->body};

	if (hop->published - hop->settled == RING)
		die("publishing", "too much is not confirmed");
	hop->confirmed[++hop->published % RING] = false;
	must(amqp_basic_publish(
		     hop->connection, CHANNEL, amqp_empty_bytes, amqp_cstring_bytes(hop->to), 1, 0, properties, body),
		"publishing");
}

/* Confirms may be out of order: `settled` is up to where there is no gap. */
static void settle(struct hop *hop, const struct event *e)
{
	for (uint64_t tag = e->multiple ? hop->settled + 1 : e->tag; tag <= e->tag; tag++)
		hop->confirmed[tag % RING] = true;
	while (hop->settled < hop->published && hop->confirmed[(hop->settled + 1) % RING])
		hop->settled++;
}

static void ack(struct hop *hop, uint64_t tag)
{
	if (tag == hop->acked)
		return;
	must(amqp_basic_ack(hop->connection, CHANNEL, tag, 1), "acking");
	hop->acked = tag;
}

/* The mover, and the worker: what comes goes on as it is. Each delivery is published once and in order, so that the number of a publish
 * is the tag of the delivery that it came from. */
static void *relay(void *ctx)
{
	struct hop *hop = ctx;

	while (!over) {
		for (struct event e = next_event(hop, IDLE_US); e.what != NOTHING; e = next_event(hop, 0)) {
			if (e.what == DELIVERY)
				publish(hop, e.properties, e.length);
			else
				settle(hop, &e);
			if (hop->settled - hop->acked >= ACKS)
				ack(hop, hop->settled);
		}
		ack(hop, hop->settled);
	}
	return NULL;
}

static void send_due(struct hop *hop, struct tally *t)
{
	while (tally_wait_us(t) == 0) {
		char number[24];
		amqp_basic_properties_t properties = {
			._flags = AMQP_BASIC_DELIVERY_MODE_FLAG | AMQP_BASIC_MESSAGE_ID_FLAG,
			.delivery_mode = AMQP_DELIVERY_PERSISTENT};

		snprintf(number, sizeof(number), "%lld", (long long)tally_send(t));
		properties.message_id = amqp_cstring_bytes(number);
		publish(hop, &properties, (size_t)t->body);
	}
}

static int64_t number_of(const struct event *e)
{
	char text[24];

	snprintf(text, sizeof(text), "%.*s", (int)e->properties->message_id.len,
		(const char *)e->properties->message_id.bytes);
	return strtoll(text, NULL, 10);
}

static void request(struct hop *hop, struct tally *t)
{
	uint64_t read = 0;

	memset(hop->body, 'x', (size_t)t->body);
	while (t->done < t->jobs) {
		int64_t wait_us;

		send_due(hop, t);
		wait_us = tally_wait_us(t);
		for (struct event e = next_event(hop, wait_us < 0 || wait_us > IDLE_US ? IDLE_US : wait_us);
			e.what != NOTHING; e = next_event(hop, 0)) {
			if (e.what == CONFIRM) {
				settle(hop, &e);
				continue;
			}
			read = e.tag;
			tally_end(t, number_of(&e));
			send_due(hop, t);
			if (read - hop->acked >= ACKS)
				ack(hop, read);
		}
		ack(hop, read);
	}
}

int main(int argc, char **argv)
{
	amqp_connection_state_t control;
	struct hop *requester, *movers[2];
	pthread_t threads[2];
	struct tally tally;

	tally_init(&tally, argc, argv);
	broker = getenv("BENCH_AMQP");
	if (!broker)
		die("BENCH_AMQP", "is not set");
	if (tally.window >= RING || tally.body > FRAME_MAX - 8)
		die("arguments", "the window is below 65536, the body below 128 KiB");
	control = dial();
	make_queues(control);
	requester = hop_new(queues[2], queues[0]);
	for (size_t i = 0; i < 2; i++) {
		movers[i] = hop_new(queues[i], queues[i + 1]);
		if (pthread_create(&threads[i], NULL, relay, movers[i]) != 0)
			die("starting", "a thread");
	}
	request(requester, &tally);
	over = true;
	for (size_t i = 0; i < 2; i++) {
		pthread_join(threads[i], NULL);
		hop_free(movers[i]);
	}
	hop_free(requester);
	delete_queues(control);
	hang_up(control);
	tally_print(&tally, "");
	tally_done(&tally);
	return 0;
}
