/* The recipe is sent in one go: a hundred declares cost one round trip. It is not answered in its order: a consume
 * is answered by the queue's process, a declare or a bind by the channel's, so that a bind's answer can overtake
 * that of the consume before it. */
#include <inttypes.h>
#include <stdio.h>

#include "io/amqp_rabbit.h"

#define ARGS_MAX 8
#define TAG_ROOM 64

/* tables of arguments */

struct args {
	amqp_table_entry_t entries[ARGS_MAX];
	int n;
};

static amqp_table_entry_t *add(struct args *a, const char *key, uint8_t kind)
{
	amqp_table_entry_t *e = &a->entries[a->n++];

	e->key = amqp_cstring_bytes(key);
	e->value.kind = kind;
	return e;
}

static void add_number(struct args *a, const char *key, int64_t value)
{
	if (value)
		add(a, key, AMQP_FIELD_KIND_I64)->value.value.i64 = value;
}

static void add_text(struct args *a, const char *key, const char *value)
{
	add(a, key, AMQP_FIELD_KIND_UTF8)->value.value.bytes = amqp_cstring_bytes(value);
}

static amqp_table_t table(struct args *a)
{
	return (amqp_table_t){.num_entries = a->n, .entries = a->entries};
}

/* the steps */

static void say(struct og_rabbit *c, amqp_method_number_t id, void *method)
{
	og_rabbit_say(c, OG_FRAME_CHANNEL, id, method);
}

static void send_exchange(struct og_rabbit *c, const struct og_step *s)
{
	static const char *const types[] = {
		[OG_EXCHANGE_DIRECT] = "direct", [OG_EXCHANGE_TOPIC] = "topic", [OG_EXCHANGE_FANOUT] = "fanout"};
	amqp_exchange_declare_t m = {
		.exchange = amqp_cstring_bytes(s->exchange.name),
		.type = amqp_cstring_bytes(types[s->exchange.type]),
		.durable = true,
	};

	say(c, AMQP_EXCHANGE_DECLARE_METHOD, &m);
}

static void send_queue(struct og_rabbit *c, const struct og_queue *q)
{
	const struct og_queue_args *a = &q->args;
	struct args args = {.n = 0};
	amqp_queue_declare_t m = {
		.queue = amqp_cstring_bytes(q->name),
		.durable = q->durable,
		.exclusive = q->exclusive,
		.auto_delete = q->auto_delete,
	};

	if (a->quorum)
		add_text(&args, "x-queue-type", "quorum");
	add_number(&args, "x-max-length", a->max_length);
	add_number(&args, "x-max-length-bytes", a->max_length_bytes);
	if (a->reject_publish)
		add_text(&args, "x-overflow", "reject-publish");
	add_number(&args, "x-delivery-limit", a->delivery_limit);
	if (a->dead_letter) {
		bool retry = a->dead_letter == OG_DEAD_TO_RETRY;

		add_text(&args, "x-dead-letter-exchange", retry ? OG_X_RETRY : OG_X_DEAD);
		add_text(&args, "x-dead-letter-routing-key", retry ? OG_K_RETRY : OG_K_DEAD);
		if (retry)
			add_text(&args, "x-dead-letter-strategy", "at-least-once");
	}
	add_number(&args, "x-message-ttl", a->message_ttl_ms);
	add_number(&args, "x-expires", a->expires_ms);
	if (a->single_active_consumer)
		add(&args, "x-single-active-consumer", AMQP_FIELD_KIND_BOOLEAN)->value.value.boolean = 1;
	m.arguments = table(&args);
	say(c, AMQP_QUEUE_DECLARE_METHOD, &m);
}

static void send_bind(struct og_rabbit *c, const struct og_binding *b)
{
	amqp_queue_bind_t m = {
		.queue = amqp_cstring_bytes(b->queue),
		.exchange = amqp_cstring_bytes(b->exchange),
		.routing_key = amqp_cstring_bytes(b->key),
	};

	say(c, AMQP_QUEUE_BIND_METHOD, &m);
}

static amqp_bytes_t consumer_tag(const struct og_rabbit *c, unsigned id, char room[static TAG_ROOM])
{
	snprintf(room, TAG_ROOM, "og-%" PRIu64 "-%u", c->epoch, id);
	return amqp_cstring_bytes(room);
}

/* The prefetch is the one in force when a consumer starts, so each has its own. */
static void send_consume(struct og_rabbit *c, const struct og_consumer *k)
{
	amqp_basic_qos_t qos = {.prefetch_count = (uint16_t)(k->prefetch < UINT16_MAX ? k->prefetch : UINT16_MAX)};
	char tag[TAG_ROOM];
	struct args args = {.n = 0};
	amqp_basic_consume_t m = {
		.queue = amqp_cstring_bytes(k->queue),
		.consumer_tag = consumer_tag(c, k->id, tag),
	};

	add_number(&args, "x-priority", k->priority);
	m.arguments = table(&args);
	say(c, AMQP_BASIC_QOS_METHOD, &qos);
	say(c, AMQP_BASIC_CONSUME_METHOD, &m);
}

/* Also of a connection that is up: a consume that a queue without a leader never answers holds up the whole channel,
 * deliveries of other queues included. While an alarm blocks us the broker reads nothing of ours: no news is not bad news. */
void og_rabbit_expect_answers(struct og_rabbit *c)
{
	if (c->steps_done < c->steps_sent && !c->blocked)
		og_rabbit_deadline(c, c->answer_timeout_ms);
	else
		og_rabbit_no_deadline(c);
}

void og_rabbit_send_steps(struct og_rabbit *c)
{
	bool waits = c->steps_done < c->steps_sent;

	for (; c->steps_sent < c->recipe.n; c->steps_sent++) {
		const struct og_step *s = c->recipe.steps[c->steps_sent];

		c->steps_asked[s->kind]++;
		switch (s->kind) {
		case OG_STEP_EXCHANGE:
			send_exchange(c, s);
			break;
		case OG_STEP_QUEUE:
			send_queue(c, s->queue);
			break;
		case OG_STEP_BIND:
			send_bind(c, s->binding);
			break;
		case OG_STEP_CONSUME:
			send_consume(c, &s->consumer);
			break;
		}
	}
	if (!waits)
		og_rabbit_expect_answers(c);
}

static enum og_step_kind kind_of_answer(amqp_method_number_t id)
{
	switch (id) {
	case AMQP_EXCHANGE_DECLARE_OK_METHOD:
		return OG_STEP_EXCHANGE;
	case AMQP_QUEUE_DECLARE_OK_METHOD:
		return OG_STEP_QUEUE;
	case AMQP_QUEUE_BIND_OK_METHOD:
		return OG_STEP_BIND;
	default:
		return OG_STEP_CONSUME;
	}
}

int og_rabbit_step_answered(struct og_rabbit *c, amqp_method_number_t id, struct og_error *err)
{
	enum og_step_kind kind = kind_of_answer(id);

	if (!c->steps_asked[kind])
		return og_fail(err, OG_RETRY, "%s came unasked", amqp_method_name(id));
	c->steps_asked[kind]--;
	c->steps_done++;
	if (c->state == OG_RABBIT_RECIPE || c->state == OG_RABBIT_UP)
		og_rabbit_expect_answers(c);
	return 0;
}

static const char *name_of(const struct og_step *s)
{
	switch (s->kind) {
	case OG_STEP_EXCHANGE:
		return s->exchange.name;
	case OG_STEP_QUEUE:
		return s->queue->name;
	case OG_STEP_BIND:
		return s->binding->queue;
	default:
		return s->consumer.queue;
	}
}

/* Steps of one kind are answered in their order. */
static const struct og_step *first_unanswered(const struct og_rabbit *c)
{
	unsigned answered[OG_STEP_KINDS] = {0};

	for (size_t i = 0; i < c->steps_sent; i++)
		answered[c->recipe.steps[i]->kind]++;
	for (size_t kind = 0; kind < OG_STEP_KINDS; kind++)
		answered[kind] -= c->steps_asked[kind];
	for (size_t i = 0; i < c->steps_sent; i++)
		if (!answered[c->recipe.steps[i]->kind]--)
			return c->recipe.steps[i];
	return NULL;
}

void og_rabbit_step_late(const struct og_rabbit *c, struct og_error *err)
{
	static const char *const asked[] = {[OG_STEP_EXCHANGE] = "declare of exchange",
		[OG_STEP_QUEUE] = "declare of queue",
		[OG_STEP_BIND] = "bind of queue",
		[OG_STEP_CONSUME] = "consume of queue"};
	const struct og_step *s = first_unanswered(c);

	if (s)
		og_fail(err, OG_RETRY,
			"no answer within %lld ms to the %s '%s' (has it a leader? docs/TROUBLESHOOTING.md)",
			(long long)c->answer_timeout_ms, asked[s->kind], name_of(s));
	else
		og_fail(err, OG_RETRY, "no answer within %lld ms to what was declared",
			(long long)c->answer_timeout_ms);
}

void og_rabbit_send_cancel(struct og_rabbit *c, unsigned consumer)
{
	char tag[TAG_ROOM];
	amqp_basic_cancel_t m = {.consumer_tag = consumer_tag(c, consumer, tag)};

	say(c, AMQP_BASIC_CANCEL_METHOD, &m);
}

unsigned og_rabbit_consumer_of(amqp_bytes_t tag)
{
	const char *text = tag.bytes;
	unsigned id = 0, unit = 1;

	for (size_t i = tag.len; i-- && text[i] >= '0' && text[i] <= '9'; unit *= 10)
		id += unit * (unsigned)(text[i] - '0');
	return id;
}
