/* What programs call: the ops of a client of a real broker. */
#include "io/amqp_rabbit.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "io/amqp_header.h"
#include "io/amqp_tls.h"

#define GOODBYE_MS 1000
#define CONNECT_MS 10000 /* where the configuration has none */
#define ANSWER_MS  30000 /* likewise; a quorum queue may have to wait for its majority */

static struct og_rabbit *rabbit(struct og_amqp *c)
{
	return (struct og_rabbit *)c;
}

static int rabbit_publish(struct og_amqp *amqp, const struct og_message *m, unsigned flags, og_settled_cb *cb,
	void *ctx, struct og_error *err)
{
	struct og_rabbit *c = rabbit(amqp);
	struct og_message own = *m;

	if (c->state >= OG_RABBIT_LEAVING)
		return og_fail(err, OG_RETRY, "the connection is being closed");
	if (og_message_sendable(m, c->user, err) < 0)
		return -1;
	own.user_id = c->user;
	if (og_window_add(&c->window, &own, flags, cb, ctx) < 0)
		return og_fail(err, OG_BUSY, "%u publishes wait for the broker's confirm", c->window.count);
	return 0;
}

static bool in_service(const struct og_rabbit *c)
{
	return c->state == OG_RABBIT_RECIPE || c->state == OG_RABBIT_UP;
}

static void step_added(struct og_rabbit *c)
{
	if (in_service(c))
		og_rabbit_send_steps(c);
}

static void rabbit_exchange(struct og_amqp *amqp, const struct og_exchange *x)
{
	struct og_rabbit *c = rabbit(amqp);

	og_recipe_add_exchange(&c->recipe, x);
	step_added(c);
}

static void rabbit_queue(struct og_amqp *amqp, const struct og_queue *q)
{
	struct og_rabbit *c = rabbit(amqp);

	og_recipe_add_queue(&c->recipe, q);
	step_added(c);
}

static void rabbit_bind(struct og_amqp *amqp, const struct og_binding *b)
{
	struct og_rabbit *c = rabbit(amqp);

	og_recipe_add_bind(&c->recipe, b);
	step_added(c);
}

static unsigned rabbit_consume(
	struct og_amqp *amqp, const char *queue, unsigned prefetch, int priority, og_delivery_cb *cb, void *ctx)
{
	struct og_rabbit *c = rabbit(amqp);
	unsigned id = og_recipe_add_consume(&c->recipe, queue, prefetch, priority, cb, ctx);

	step_added(c);
	return id;
}

static void rabbit_cancel(struct og_amqp *amqp, unsigned consumer)
{
	struct og_rabbit *c = rabbit(amqp);

	if (og_recipe_drop_consumer(&c->recipe, consumer) && in_service(c))
		og_rabbit_send_cancel(c, consumer);
}

static bool rabbit_stop(struct og_amqp *amqp, unsigned consumer, void (*cb)(void *ctx), void *ctx)
{
	struct og_rabbit *c = rabbit(amqp);

	if (!in_service(c)) {
		og_recipe_drop_consumer(&c->recipe, consumer);
		return false;
	}
	if (!og_recipe_stop_consumer(&c->recipe, consumer, cb, ctx))
		return false;
	og_rabbit_send_cancel(c, consumer);
	return true;
}

static void rabbit_clear(struct og_amqp *amqp)
{
	struct og_rabbit *c = rabbit(amqp);

	while (c->recipe.consumers)
		rabbit_cancel(amqp, c->recipe.consumers->consumer.id);
	og_recipe_clear(&c->recipe);
}

static void settle(struct og_rabbit *c, uint64_t epoch, uint64_t tag, enum og_settlement how)
{
	if (c->state != OG_RABBIT_UP || epoch != c->epoch)
		return;
	og_rabbit_settle(c, tag, how);
}

static void rabbit_ack(struct og_amqp *amqp, uint64_t epoch, uint64_t tag)
{
	settle(rabbit(amqp), epoch, tag, OG_SETTLE_ACK);
}

static void rabbit_reject(struct og_amqp *amqp, uint64_t epoch, uint64_t tag, bool requeue)
{
	settle(rabbit(amqp), epoch, tag, requeue ? OG_SETTLE_REQUEUE : OG_SETTLE_REJECT);
}

static void rabbit_on_writable(struct og_amqp *amqp, void (*cb)(void *ctx), void *ctx)
{
	rabbit(amqp)->on_writable = cb;
	rabbit(amqp)->writable_ctx = ctx;
}

static unsigned rabbit_in_flight(struct og_amqp *amqp)
{
	return rabbit(amqp)->window.count;
}

static bool rabbit_is_up(struct og_amqp *amqp)
{
	return rabbit(amqp)->state == OG_RABBIT_UP;
}

static const char *rabbit_endpoint(struct og_amqp *amqp)
{
	return rabbit(amqp)->endpoint;
}

static uint64_t rabbit_oversized(struct og_amqp *amqp)
{
	return rabbit(amqp)->oversized;
}

/* Where the broker listens it is given a second to confirm what was published, and to take the rest. */
static void rabbit_close(struct og_amqp *amqp, void (*cb)(void *ctx), void *ctx)
{
	struct og_rabbit *c = rabbit(amqp);

	if (c->state >= OG_RABBIT_LEAVING)
		return;
	c->on_closed = cb;
	c->closed_ctx = ctx;
	uv_timer_stop(&c->beat);
	og_rabbit_deadline(c, c->state == OG_RABBIT_UP ? GOODBYE_MS : 0);
	if (c->state == OG_RABBIT_UP) {
		og_rabbit_say_acks(c);
		c->state = OG_RABBIT_LEAVING;
		og_rabbit_leave(c);
	} else {
		c->state = OG_RABBIT_CLOSING;
	}
}

static const struct og_amqp_ops rabbit_ops = {
	.publish = rabbit_publish,
	.recipe_exchange = rabbit_exchange,
	.recipe_queue = rabbit_queue,
	.recipe_bind = rabbit_bind,
	.recipe_consume = rabbit_consume,
	.recipe_clear = rabbit_clear,
	.cancel = rabbit_cancel,
	.stop = rabbit_stop,
	.ack = rabbit_ack,
	.reject = rabbit_reject,
	.on_writable = rabbit_on_writable,
	.in_flight = rabbit_in_flight,
	.is_up = rabbit_is_up,
	.endpoint = rabbit_endpoint,
	.oversized = rabbit_oversized,
	.close = rabbit_close,
};

static int check_config(const struct og_amqp_config *g, struct og_error *err)
{
	if (og_shortstr_check(g->vhost, "the vhost", err) < 0 || og_shortstr_check(g->user, "the user name", err) < 0 ||
		og_shortstr_check(g->password, "the password", err) < 0 ||
		og_shortstr_check(g->name, "the name", err) < 0)
		return -1;
	if (!g->endpoints || !g->vhost || !g->user || !g->password || !g->window)
		return og_fail(
			err, OG_INVALID, "a broker connection needs endpoints, vhost, user, password and a window");
	return 0;
}

struct og_amqp *og_amqp_open(
	uv_loop_t *loop, const struct og_amqp_config *config, const struct og_amqp_events *events, struct og_error *err)
{
	struct og_endpoints endpoints;
	struct og_rabbit *c;
	SSL_CTX *tls = NULL;

	if (check_config(config, err) < 0 ||
		og_endpoints_parse(config->endpoints, config->tls ? 5671 : 5672, &endpoints, err) < 0)
		return NULL;
	if (config->tls && !(tls = og_tls_context(config->tls_ca, config->tls_cert, config->tls_key, err)))
		return NULL;
	c = og_new(struct og_rabbit);
	*c = (struct og_rabbit){
		.base.ops = &rabbit_ops,
		.loop = loop,
		.events = *events,
		.vhost = og_strdup(config->vhost),
		.user = og_strdup(config->user),
		.password = og_strdup(config->password),
		.name = og_strdup(config->name ? config->name : ""),
		.endpoints = endpoints,
		.tls = tls,
		.verify_host = config->tls_verify_host,
		.republish = config->republish,
		.connect_timeout_ms = config->connect_timeout_ms > 0 ? config->connect_timeout_ms : CONNECT_MS,
		.answer_timeout_ms = config->answer_timeout_ms > 0 ? config->answer_timeout_ms : ANSWER_MS,
		.heartbeat_ms = config->heartbeat_ms < 1000 ? 1000 : config->heartbeat_ms / 1000 * 1000,
		.prefetch_global = config->prefetch_global,
	};
	c->endpoint = c->endpoints.list[0].text;
	og_frames_init(&c->frames, &og_rabbit_dialog, c);
	og_window_init(&c->window, config->window);
	og_rabbit_start(c);
	return &c->base;
}
