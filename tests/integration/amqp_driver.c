/* An AMQP client on a string: test_amqp.py tells it what to do, a line at a time on stdin, and it tells what
 * happens, a JSON object a line on stdout. The arguments are its configuration, key=value.
 *
 *   exchange NAME TYPE                     queue NAME [quorum] [durable] [exclusive] [auto_delete] [reject] [max=N]
 *   bind EXCHANGE QUEUE KEY                consume QUEUE PREFETCH ack|hold|show     cancel HANDLE     stop HANDLE     clear
 *   publish EXCHANGE KEY COUNT BYTES [mandatory] [bundle] [show]      numbered messages; COUNT may be more than the window
 *   rejectheld | ackheld                   stats                                    close
 *
 * Message n has message_id n, a body that begins with n and repeats its low byte, and a header of each kind. Every
 * delivery is checked against that. "-" as an exchange is the nameless one. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "driver.h"
#include "io/amqp.h"

#define NUMBERS_MAX 2000000

enum mode { ACK, HOLD, SHOW };

struct held {
	uint64_t epoch, tag;
};

static struct og_amqp *amqp;

static unsigned char settled_times[NUMBERS_MAX], seen_times[NUMBERS_MAX];
static unsigned settled[4], deliveries, unique, corrupt, busy, sent;
static struct held *held;
static size_t n_held;

/* a publish command that goes on as the window allows */
static char *exchange, *key;
static unsigned left, flags;
static size_t bytes;
static bool show;
static char *body;

/* publishing */

static const char *const words[] = {"confirmed", "nacked", "returned", "lost"};

static void on_settled(void *ctx, enum og_settled how)
{
	uintptr_t n = (uintptr_t)ctx;

	settled[how]++;
	settled_times[n]++;
	if (show)
		event(json_pack("{s:s, s:i, s:s}", "event", "settled", "n", (int)n, "how", words[how]));
}

static void publish_more(void *ctx)
{
	(void)ctx;
	while (left && sent < NUMBERS_MAX) {
		char id[32];
		struct og_message m = {
			.exchange = exchange,
			.routing_key = key,
			.type = "test",
			.message_id = id,
			.correlation_id = id,
			.reply_to = "somebody~0123",
			.content_type = "text/plain",
			.timestamp_s = 1700000000,
			.persistent = true,
			.headers = {{.name = "text", .text = "Grüße"},
				{.name = "number", .number = -((int64_t)1 << 40)}, {.name = "empty", .text = ""}},
			.n_headers = 3,
			.body = body,
			.body_len = bytes,
		};
		struct og_error err;

		snprintf(id, sizeof(id), "%u", sent);
		memset(body, (int)(sent & 0xff), bytes);
		memcpy(body, &sent, bytes < sizeof(sent) ? bytes : sizeof(sent));
		if (og_amqp_publish(amqp, &m, flags, on_settled, (void *)(uintptr_t)sent, &err) < 0) {
			busy += err.kind == OG_BUSY;
			if (err.kind != OG_BUSY) {
				left = 0;
				event(json_pack("{s:s, s:s, s:s}", "event", "refused", "kind", og_kind_name(err.kind),
					"why", err.message));
			}
			return;
		}
		sent++;
		left--;
	}
}

/* consuming */

static bool is_whole(const struct og_message *m, unsigned n)
{
	const struct og_header *text = og_message_header(m, "text"), *number = og_message_header(m, "number");
	const unsigned char *b = m->body;

	for (size_t i = sizeof(n); i < m->body_len; i++) {
		if (b[i] != (n & 0xff))
			return false;
	}
	return (m->body_len < sizeof(n) || !memcmp(b, &n, sizeof(n))) && text && text->text &&
	       !strcmp(text->text, "Grüße") && number && number->number == -((int64_t)1 << 40) && m->type &&
	       !strcmp(m->type, "test") && !strcmp(m->reply_to, "somebody~0123") && m->user_id &&
	       !strcmp(m->content_type, "text/plain") && m->timestamp_s == 1700000000 && m->persistent &&
	       !strcmp(m->correlation_id, m->message_id) && og_message_header(m, "empty");
}

static void on_delivery(void *ctx, const struct og_message *m, uint64_t epoch)
{
	enum mode mode = (enum mode)(uintptr_t)ctx;
	const struct og_header *count = og_message_header(m, "x-delivery-count");
	unsigned n = m->message_id ? (unsigned)strtoul(m->message_id, NULL, 10) : NUMBERS_MAX;

	deliveries++;
	if (n >= NUMBERS_MAX || !is_whole(m, n))
		corrupt++;
	else if (!seen_times[n]++)
		unique++;
	if (mode == SHOW)
		event(json_pack("{s:s, s:i, s:I, s:b, s:I, s:s, s:s, s:s?, s:I}", "event", "delivery", "n", (int)n,
			"bytes", (json_int_t)m->body_len, "redelivered", m->redelivered, "delivery_count",
			(json_int_t)(count ? count->number : -1), "exchange", m->exchange, "key", m->routing_key,
			"user", m->user_id, "headers", (json_int_t)m->n_headers));
	if (mode == ACK) {
		og_amqp_ack(amqp, epoch, m->delivery_tag);
		return;
	}
	held = og_realloc(held, (n_held + 1) * sizeof(*held));
	held[n_held++] = (struct held){.epoch = epoch, .tag = m->delivery_tag};
}

static void settle_held(bool ack)
{
	for (size_t i = 0; i < n_held; i++) {
		if (ack)
			og_amqp_ack(amqp, held[i].epoch, held[i].tag);
		else
			og_amqp_reject(amqp, held[i].epoch, held[i].tag, true);
	}
	n_held = 0;
}

/* events */

static unsigned downs;

static void on_up(void *ctx, uint64_t epoch)
{
	(void)ctx;
	event(json_pack(
		"{s:s, s:I, s:s}", "event", "up", "epoch", (json_int_t)epoch, "endpoint", amqp->ops->endpoint(amqp)));
}

static void on_down(void *ctx, const struct og_error *why)
{
	downs++;
	(void)ctx;
	event(json_pack("{s:s, s:s, s:s, s:I}", "event", "down", "kind", og_kind_name(why->kind), "why", why->message,
		"at", (json_int_t)og_clock_wall_ms()));
}

static void on_blocked(void *ctx, bool blocked, const char *reason)
{
	(void)ctx;
	event(json_pack("{s:s, s:b, s:s}", "event", "blocked", "blocked", blocked, "reason", reason));
}

static void on_stopped(void *ctx)
{
	(void)ctx;
	event(json_pack("{s:s}", "event", "stopped"));
}

static void on_cancelled(void *ctx, const char *queue)
{
	(void)ctx;
	event(json_pack("{s:s, s:s}", "event", "cancelled", "queue", queue));
}

static void on_closed(void *ctx)
{
	(void)ctx;
	amqp = NULL;
	event(json_pack("{s:s}", "event", "closed"));
	driver_end();
}

static void say_stats(void)
{
	unsigned most = 0, rss = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	if (!f || fscanf(f, "%*u %u", &rss) != 1)
		rss = 0;
	if (f)
		fclose(f);
	for (unsigned i = 0; i < sent; i++)
		most = settled_times[i] > most ? settled_times[i] : most;
	event(json_pack("{s:s, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:b, s:i, s:i, s:I}", "event",
		"stats", "sent", (int)sent, "confirmed", (int)settled[OG_CONFIRMED], "nacked", (int)settled[OG_NACKED],
		"returned", (int)settled[OG_RETURNED], "lost", (int)settled[OG_LOST], "most_settled", (int)most,
		"deliveries", (int)deliveries, "unique", (int)unique, "corrupt", (int)corrupt, "busy", (int)busy,
		"in_flight", (int)amqp->ops->in_flight(amqp), "up", amqp->ops->is_up(amqp), "downs", (int)downs,
		"rss_kib", (int)(rss * (unsigned)(sysconf(_SC_PAGESIZE) / 1024)), "oversized",
		(json_int_t)amqp->ops->oversized(amqp)));
}

/* commands */

static bool has(char **args, const char *word)
{
	for (; *args; args++) {
		if (!strcmp(*args, word))
			return true;
	}
	return false;
}

static void add_queue(char **args)
{
	struct og_queue q = {
		.durable = has(args, "durable") || has(args, "quorum"),
		.exclusive = has(args, "exclusive"),
		.auto_delete = has(args, "auto_delete"),
		.args = {.quorum = has(args, "quorum"), .reject_publish = has(args, "reject")},
	};

	snprintf(q.name, sizeof(q.name), "%s", args[1]);
	for (char **a = args; *a; a++) {
		if (!strncmp(*a, "max=", 4))
			q.args.max_length = atoll(*a + 4);
	}
	amqp->ops->recipe_queue(amqp, &q);
}

static void add_exchange(char **args)
{
	const struct og_exchange x = {
		.name = args[1],
		.type = !strcmp(args[2], "topic")    ? OG_EXCHANGE_TOPIC
	                : !strcmp(args[2], "fanout") ? OG_EXCHANGE_FANOUT
	                                             : OG_EXCHANGE_DIRECT,
	};

	amqp->ops->recipe_exchange(amqp, &x);
}

static void add_binding(char **args)
{
	struct og_binding b = {0};

	snprintf(b.exchange, sizeof(b.exchange), "%s", args[1]);
	snprintf(b.queue, sizeof(b.queue), "%s", args[2]);
	snprintf(b.key, sizeof(b.key), "%s", args[3]);
	amqp->ops->recipe_bind(amqp, &b);
}

static void consume(char **args)
{
	enum mode mode = has(args, "show") ? SHOW : has(args, "hold") ? HOLD : ACK;
	unsigned id = amqp->ops->recipe_consume(
		amqp, args[1], (unsigned)atoi(args[2]), 0, on_delivery, (void *)(uintptr_t)mode);

	event(json_pack("{s:s, s:i}", "event", "consuming", "handle", (int)id));
}

static void start_publishing(char **args)
{
	free(exchange);
	free(key);
	exchange = og_strdup(strcmp(args[1], "-") ? args[1] : "");
	key = og_strdup(args[2]);
	left = (unsigned)atoi(args[3]);
	bytes = (size_t)atoll(args[4]);
	body = og_realloc(body, bytes + 1);
	flags = (has(args, "mandatory") ? OG_PUBLISH_MANDATORY : 0) | (has(args, "bundle") ? OG_PUBLISH_BUNDLE : 0);
	show = has(args, "show");
	publish_more(NULL);
}

static void on_command(char *text, size_t len)
{
	char *args[12] = {0}, *save = NULL;
	size_t n = 0;

	(void)len;
	for (char *word = strtok_r(text, " ", &save); word && n < OG_COUNT(args) - 1; word = strtok_r(NULL, " ", &save))
		args[n++] = word;
	if (!n || !amqp)
		return;
	if (!strcmp(args[0], "exchange") && n == 3)
		add_exchange(args);
	else if (!strcmp(args[0], "queue") && n >= 2)
		add_queue(args);
	else if (!strcmp(args[0], "bind") && n == 4)
		add_binding(args);
	else if (!strcmp(args[0], "consume") && n == 4)
		consume(args);
	else if (!strcmp(args[0], "stop") && n == 2)
		amqp->ops->stop(amqp, (unsigned)atoi(args[1]), on_stopped, NULL);
	else if (!strcmp(args[0], "cancel") && n == 2)
		amqp->ops->cancel(amqp, (unsigned)atoi(args[1]));
	else if (!strcmp(args[0], "clear"))
		amqp->ops->recipe_clear(amqp);
	else if (!strcmp(args[0], "publish") && n >= 5)
		start_publishing(args);
	else if (!strcmp(args[0], "ackheld"))
		settle_held(true);
	else if (!strcmp(args[0], "rejectheld"))
		settle_held(false);
	else if (!strcmp(args[0], "stats"))
		say_stats();
	else if (!strcmp(args[0], "close"))
		og_amqp_close(amqp, on_closed, NULL);
	else
		event(json_pack("{s:s, s:s}", "event", "unknown", "command", args[0]));
}

static void on_end(void)
{
	og_amqp_close(amqp, on_closed, NULL);
}

static void configure(struct og_amqp_config *g, char *assignment)
{
	char *value = strchr(assignment, '=');
	const struct {
		const char *name;
		const char **text;
	} texts[] = {{"endpoints", &g->endpoints}, {"vhost", &g->vhost}, {"user", &g->user}, {"password", &g->password},
		{"ca", &g->tls_ca}, {"cert", &g->tls_cert}, {"key", &g->tls_key}};

	*value++ = '\0';
	for (size_t i = 0; i < OG_COUNT(texts); i++) {
		if (!strcmp(assignment, texts[i].name))
			*texts[i].text = value;
	}
	if (!strcmp(assignment, "window"))
		g->window = (unsigned)atoi(value);
	else if (!strcmp(assignment, "heartbeat_ms"))
		g->heartbeat_ms = atoi(value);
	else if (!strcmp(assignment, "connect_timeout_ms"))
		g->connect_timeout_ms = atoi(value);
	else if (!strcmp(assignment, "answer_timeout_ms"))
		g->answer_timeout_ms = atoi(value);
	else if (!strcmp(assignment, "republish"))
		g->republish = atoi(value);
	else if (!strcmp(assignment, "tls"))
		g->tls = atoi(value);
	else if (!strcmp(assignment, "verify_host"))
		g->tls_verify_host = atoi(value);
}

int main(int argc, char **argv)
{
	const struct og_amqp_events events = {
		.on_up = on_up, .on_down = on_down, .on_blocked = on_blocked, .on_cancelled = on_cancelled};
	struct og_amqp_config config = {
		.vhost = "/",
		.name = "amqp_driver",
		.tls_verify_host = true,
		.heartbeat_ms = 2000,
		.connect_timeout_ms = 5000,
		.window = 1000,
		.republish = true,
	};
	struct og_error err;
	int rc;

	for (int i = 1; i < argc; i++)
		configure(&config, argv[i]);
	signal(SIGPIPE, SIG_IGN);
	driver_begin(on_command, on_end);
	amqp = og_amqp_open(&driver.loop, &config, &events, &err);
	if (!amqp) {
		event(json_pack(
			"{s:s, s:s, s:s}", "event", "invalid", "kind", og_kind_name(err.kind), "why", err.message));
		return 2;
	}
	amqp->ops->on_writable(amqp, publish_more, NULL);
	rc = driver_run();
	free(exchange);
	free(key);
	free(body);
	free(held);
	return rc;
}
