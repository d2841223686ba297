/* What the broker says once we are in (amqp_login.c), and what we answer. Nothing here closes the connection: a -1 with its reason does, when the
 * frames at hand have been left. */
#include <stdio.h>

#include "io/amqp_bundle.h"
#include "io/amqp_rabbit.h"

static void say_on_channel(struct og_rabbit *c, amqp_method_number_t id, void *method)
{
	og_rabbit_say(c, OG_FRAME_CHANNEL, id, method);
}

void og_rabbit_say(struct og_rabbit *c, uint16_t channel, amqp_method_number_t id, void *method)
{
	og_frames_put_method(og_stream_out(c->stream), channel, id, method);
}

static void say_ack(void *ctx, uint64_t tag, bool multiple)
{
	amqp_basic_ack_t m = {.delivery_tag = tag, .multiple = multiple};

	say_on_channel(ctx, AMQP_BASIC_ACK_METHOD, &m);
}

void og_rabbit_say_acks(struct og_rabbit *c)
{
	og_acks_flush(&c->acks, say_ack, c);
}

void og_rabbit_settle(struct og_rabbit *c, uint64_t tag, enum og_settlement how)
{
	amqp_basic_reject_t m = {.delivery_tag = og_parts_settle(&c->parts, tag, &how)};

	if (!m.delivery_tag)
		return;
	if (how == OG_SETTLE_ACK) {
		og_acks_add(&c->acks, m.delivery_tag);
		return;
	}
	m.requeue = how == OG_SETTLE_REQUEUE;
	og_acks_rejected(&c->acks, m.delivery_tag);
	say_on_channel(c, AMQP_BASIC_REJECT_METHOD, &m);
}

void og_rabbit_say_close(struct og_rabbit *c)
{
	amqp_connection_close_t m = {.reply_code = AMQP_REPLY_SUCCESS, .reply_text = amqp_cstring_bytes("goodbye")};

	og_rabbit_say(c, 0, AMQP_CONNECTION_CLOSE_METHOD, &m);
}

/* refusals */

/* Is it what we ask for that is wrong (FATAL), the moment (RETRY), or somebody before us (BUSY)? */
static enum og_kind kind_of(int code, int class_id)
{
	switch (code) {
	case AMQP_RESOURCE_LOCKED:
		return OG_BUSY;
	case AMQP_ACCESS_REFUSED:
	case AMQP_NOT_ALLOWED:
	case AMQP_NOT_IMPLEMENTED:
		return OG_FATAL;
	case AMQP_PRECONDITION_FAILED: /* a declare: other arguments than it has; basic: say, a delivery held too long */
		return class_id == AMQP_BASIC_CLASS ? OG_RETRY : OG_FATAL;
	default:
		return OG_RETRY;
	}
}

static int on_connection_close(struct og_rabbit *c, const amqp_connection_close_t *m, struct og_error *err)
{
	enum og_kind kind = kind_of(m->reply_code, m->class_id);
	const char *words = m->reply_text.bytes;
	amqp_connection_close_ok_t ok = {0};
	int n = (int)m->reply_text.len;

	og_rabbit_say(c, 0, AMQP_CONNECTION_CLOSE_OK_METHOD, &ok);
	og_stream_flush(c->stream);
	if (c->state == OG_RABBIT_LOGIN && m->reply_code == AMQP_ACCESS_REFUSED)
		return og_fail(err, kind, "user '%s' or its password was refused: %.*s", c->user, n, words);
	if (c->state == OG_RABBIT_LOGIN && m->reply_code == AMQP_NOT_ALLOWED)
		return og_fail(err, kind, "vhost '%s' was refused to user '%s': %.*s", c->vhost, c->user, n, words);
	return og_fail(err, kind, "the broker closed the connection: %.*s", n, words);
}

static int on_channel_close(struct og_rabbit *c, const amqp_channel_close_t *m, struct og_error *err)
{
	amqp_channel_close_ok_t ok = {0};

	c->publish_refused = (uint32_t)(m->class_id << 16 | m->method_id) == AMQP_BASIC_PUBLISH_METHOD;
	say_on_channel(c, AMQP_CHANNEL_CLOSE_OK_METHOD, &ok);
	og_rabbit_say_close(c);
	og_stream_flush(c->stream);
	return og_fail(err, kind_of(m->reply_code, m->class_id), "the broker closed the channel: %.*s",
		(int)m->reply_text.len, (const char *)m->reply_text.bytes);
}

/* in service */

static int on_confirm(struct og_rabbit *c, uint64_t tag, bool multiple, enum og_settled how, struct og_error *err)
{
	if (og_window_settle(&c->window, tag, multiple, how) < 0)
		return og_fail(err, OG_RETRY, "publish %llu was confirmed and never sent", (unsigned long long)tag);
	return 0;
}

static int on_cancel(struct og_rabbit *c, const amqp_basic_cancel_t *m, struct og_error *err)
{
	const struct og_consumer *k = og_recipe_consumer(&c->recipe, og_rabbit_consumer_of(m->consumer_tag));

	if (!k || og_recipe_is_stopping(&c->recipe, k->id)) /* cancelled by us as well */
		return 0;
	og_fail(err, OG_RETRY, "queue '%s' was deleted under its consumer", k->queue);
	if (c->events.on_cancelled)
		c->events.on_cancelled(c->events.ctx, k->queue);
	return -1;
}

/* Behind it the broker sends nothing more to this consumer. */
static void on_cancel_ok(struct og_rabbit *c, const amqp_basic_cancel_ok_t *m)
{
	struct og_consumer k;

	if (og_recipe_stopped(&c->recipe, og_rabbit_consumer_of(m->consumer_tag), &k))
		k.on_stopped(k.stopped_ctx);
}

static void on_blocked(struct og_rabbit *c, bool blocked, amqp_bytes_t reason)
{
	char text[256];

	snprintf(text, sizeof(text), "%.*s", (int)reason.len, reason.len ? (const char *)reason.bytes : "");
	c->blocked = blocked;
	if (c->state == OG_RABBIT_RECIPE || c->state == OG_RABBIT_UP)
		og_rabbit_expect_answers(c);
	if (c->events.on_blocked)
		c->events.on_blocked(c->events.ctx, blocked, text);
}

static void hand_over(struct og_rabbit *c, unsigned consumer, const struct og_message *m)
{
	const struct og_consumer *k = og_recipe_consumer(&c->recipe, consumer);

	if (!m->body) {
		c->oversized++;
		if (k && c->events.on_oversized)
			c->events.on_oversized(c->events.ctx, m, c->epoch);
		else
			og_rabbit_settle(c, m->delivery_tag, OG_SETTLE_REJECT);
	} else if (!k) {
		og_rabbit_settle(c, m->delivery_tag, OG_SETTLE_REQUEUE);
	} else {
		k->cb(k->ctx, m, c->epoch);
	}
}

/* A callback may close the connection: what was not handed over comes again then. */
static void open_bundle(struct og_rabbit *c, unsigned consumer, const struct og_message *bundle, unsigned n)
{
	struct og_bundle_reader reader = {.outer = bundle};

	og_parts_open(&c->parts, bundle->delivery_tag, n);
	for (unsigned i = 1; i <= n && c->state == OG_RABBIT_UP; i++) {
		struct og_message part;

		og_bundle_next(&reader, &part);
		part.delivery_tag = og_part_tag(bundle->delivery_tag, i);
		hand_over(c, consumer, &part);
	}
	og_bundle_reader_done(&reader);
}

static void hand_over_unreadable(struct og_rabbit *c, unsigned consumer, const struct og_message *bundle)
{
	struct og_message m = *bundle;

	m.type = OG_T_UNREADABLE;
	hand_over(c, consumer, &m);
}

static void on_delivery(struct og_rabbit *c, amqp_bytes_t consumer_tag, const struct og_message *m)
{
	unsigned consumer = og_rabbit_consumer_of(consumer_tag), parts;

	if (c->state == OG_RABBIT_RECIPE) /* its consume was answered before: what is left to answer is behind it */
		og_rabbit_become_up(c);
	if (c->state != OG_RABBIT_UP)
		return;
	og_acks_delivered(&c->acks, m->delivery_tag);
	parts = og_bundle_parts(m);
	if (parts)
		open_bundle(c, consumer, m, parts);
	else if (og_bundle_is(m))
		hand_over_unreadable(c, consumer, m);
	else
		hand_over(c, consumer, m);
}

static int on_content(void *ctx, amqp_method_number_t id, void *decoded, const struct og_message *m, uint64_t ticket,
	struct og_error *err)
{
	struct og_rabbit *c = ctx;

	(void)err;
	if (id == AMQP_BASIC_RETURN_METHOD)
		og_window_returned(&c->window, ticket);
	else
		on_delivery(c, ((amqp_basic_deliver_t *)decoded)->consumer_tag, m);
	return 0;
}

/* After close(): publishes may still be confirmed, and the end may come; nothing else is anyone's business. */
static bool matters_at_the_end(amqp_method_number_t id)
{
	return id == AMQP_BASIC_ACK_METHOD || id == AMQP_BASIC_NACK_METHOD || id == AMQP_CONNECTION_CLOSE_METHOD ||
	       id == AMQP_CONNECTION_CLOSE_OK_METHOD || id == AMQP_CHANNEL_CLOSE_METHOD;
}

static int on_method(void *ctx, amqp_method_number_t id, void *m, struct og_error *err)
{
	struct og_rabbit *c = ctx;

	if (c->state >= OG_RABBIT_LEAVING && !matters_at_the_end(id))
		return 0;
	switch (id) {
	case AMQP_BASIC_ACK_METHOD: {
		const amqp_basic_ack_t *ack = m;

		return on_confirm(c, ack->delivery_tag, ack->multiple, OG_CONFIRMED, err);
	}
	case AMQP_BASIC_NACK_METHOD: {
		const amqp_basic_nack_t *nack = m;

		return on_confirm(c, nack->delivery_tag, nack->multiple, OG_NACKED, err);
	}
	case AMQP_EXCHANGE_DECLARE_OK_METHOD:
	case AMQP_QUEUE_DECLARE_OK_METHOD:
	case AMQP_QUEUE_BIND_OK_METHOD:
	case AMQP_BASIC_CONSUME_OK_METHOD:
		return og_rabbit_step_answered(c, id, err);
	case AMQP_CONFIRM_SELECT_OK_METHOD:
		og_rabbit_begin_recipe(c);
		return 0;
	case AMQP_BASIC_QOS_OK_METHOD:
		return 0;
	case AMQP_BASIC_CANCEL_OK_METHOD:
		on_cancel_ok(c, m);
		return 0;
	case AMQP_BASIC_CANCEL_METHOD:
		return on_cancel(c, m, err);
	case AMQP_CONNECTION_BLOCKED_METHOD:
		on_blocked(c, true, ((amqp_connection_blocked_t *)m)->reason);
		return 0;
	case AMQP_CONNECTION_UNBLOCKED_METHOD:
		on_blocked(c, false, amqp_empty_bytes);
		return 0;
	case AMQP_CONNECTION_CLOSE_METHOD:
		return on_connection_close(c, m, err);
	case AMQP_CONNECTION_CLOSE_OK_METHOD:
		return og_fail(err, OG_RETRY, "closed");
	case AMQP_CHANNEL_CLOSE_METHOD:
		return on_channel_close(c, m, err);
	default:
		return og_rabbit_login_method(c, id, m, err);
	}
}

const struct og_frames_events og_rabbit_dialog = {.on_method = on_method, .on_content = on_content};
