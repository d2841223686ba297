#include "service/session.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "model/names.h"
#include "service/service.h"

#define ROLE           "producer" /* where none is named */
#define REPLY_PREFETCH 1000

struct og_session {
	struct og_session_config config;
	struct og_session_handler handler;
	struct og_amqp *amqp;
	uv_timer_t bound;
	char reply[OG_KEY_MAX];
	struct og_error why; /* the last thing that went wrong with the connection */
	bool up, trusted, blocked, over, closing;
	bool refused;  /* a publish closed the channel: on_down says why */
	unsigned open; /* of the client and the timer: memory goes when both are closed */
	void (*on_closed)(void *ctx);
	void *closed_ctx;
};

struct publishing {
	struct og_session *session;
	og_settled_cb *cb;
	void *ctx;
};

struct og_amqp *og_session_dial(void *ctx, uv_loop_t *loop, const struct og_session_config *config,
	const struct og_amqp_events *events, struct og_error *err)
{
	struct og_amqp *c;

	(void)ctx;
	return og_service_amqp(loop, config->settings, config->role, config->name ? config->name : "og", false, events,
		       &c, err) < 0
	               ? NULL
	               : c;
}

const char *og_session_reply(const struct og_session *s)
{
	return s->reply;
}

static void over(struct og_session *s, enum og_exit exit, const struct og_error *why)
{
	if (s->over || s->closing)
		return;
	s->over = true;
	uv_timer_stop(&s->bound);
	if (s->handler.on_over)
		s->handler.on_over(s->handler.ctx, exit, why);
}

/* Says what to do about it: the client's words say what happened. */
static void give_up(struct og_session *s)
{
	const struct og_settings *settings = s->config.settings;
	const char *what = s->why.message;
	struct og_error why;

	if (s->blocked) {
		og_fail(&why, OG_BUSY, "the broker takes no messages now (%s): try again later", what);
		over(s, OG_EXIT_BUSY, &why);
		return;
	}
	if (s->why.kind == OG_FATAL)
		og_fail(&why, OG_FATAL, "%s: check the cluster's name ('%s') and %s/%s.credentials", what,
			settings->cluster, settings->secrets, s->config.role);
	else if (strstr(what, "NOT_FOUND")) /* the broker's own word for a missing exchange */
		og_fail(&why, OG_RETRY, "%s: `og-broker-config apply` sets the cluster up", what);
	else
		og_fail(&why, OG_RETRY,
			"no connection to the broker at %s%s%s: start it (`og start`), or name another with OG_BROKER",
			settings->broker_endpoints, *what ? ": " : "", what);
	over(s, OG_EXIT_NOT_CONNECTED, &why);
}

static void on_bound(uv_timer_t *timer)
{
	give_up(timer->data);
}

/* The broker has done something for us: it is there, and it is the right one. */
static void trust(struct og_session *s)
{
	s->trusted = true;
	uv_timer_stop(&s->bound);
}

static void on_delivery(void *ctx, const struct og_message *m, uint64_t epoch)
{
	struct og_session *s = ctx;
	struct og_envelope e;

	if (s->over || s->closing)
		return;
	trust(s);
	if (s->handler.on_message && og_envelope_decode(m, &e, NULL) == 0)
		s->handler.on_message(s->handler.ctx, &e, m);
	if (!s->closing)
		og_amqp_ack(s->amqp, epoch, m->delivery_tag);
}

static void recipe(struct og_session *s)
{
	struct og_binding binding;
	struct og_queue queue;

	og_reply_new(s->config.user, s->reply);
	if (s->config.deaf)
		return;
	s->amqp->ops->recipe_clear(s->amqp);
	og_topology_reply_queue(s->reply, &s->config.settings->limits, &queue);
	s->amqp->ops->recipe_queue(s->amqp, &queue);
	strcpy(binding.exchange, OG_X_REPLIES);
	strcpy(binding.queue, queue.name);
	og_key_reply(s->reply, "*", binding.key);
	s->amqp->ops->recipe_bind(s->amqp, &binding);
	s->amqp->ops->recipe_consume(s->amqp, queue.name, REPLY_PREFETCH, 0, on_delivery, s);
}

static void on_up(void *ctx, uint64_t epoch)
{
	struct og_session *s = ctx;

	(void)epoch;
	s->up = true;
	if (!s->over && !s->closing && s->handler.on_up)
		s->handler.on_up(s->handler.ctx);
}

static void on_down(void *ctx, const struct og_error *why)
{
	struct og_session *s = ctx;
	bool was_up = s->up;

	s->up = false;
	s->blocked = false;
	s->why = *why;
	if (s->over || s->closing)
		return;
	if (s->refused || (why->kind == OG_FATAL && !s->trusted)) {
		give_up(s);
		return;
	}
	recipe(s);
	if (!was_up)
		return;
	if (s->config.lost_ms && s->trusted && !uv_is_active((uv_handle_t *)&s->bound))
		uv_timer_start(&s->bound, on_bound, (uint64_t)s->config.lost_ms, 0);
	if (s->handler.on_down)
		s->handler.on_down(s->handler.ctx, why);
}

static void on_blocked(void *ctx, bool blocked, const char *reason)
{
	struct og_session *s = ctx;

	s->blocked = blocked;
	if (blocked)
		og_fail(&s->why, OG_BUSY, "%s", reason && *reason ? reason : "it gives no reason");
}

struct og_session *og_session_open(uv_loop_t *loop, const struct og_session_config *config,
	const struct og_session_handler *handler, struct og_error *err)
{
	struct og_session *s = og_new(struct og_session);
	struct og_amqp_events events = {.on_up = on_up, .on_down = on_down, .on_blocked = on_blocked, .ctx = s};

	s->config = *config;
	if (!s->config.role)
		s->config.role = ROLE;
	s->handler = *handler;
	s->amqp = config->dial(config->dial_ctx, loop, &s->config, &events, err);
	if (!s->amqp) {
		free(s);
		return NULL;
	}
	recipe(s);
	uv_timer_init(loop, &s->bound);
	s->bound.data = s;
	if (config->connect_ms)
		uv_timer_start(&s->bound, on_bound, (uint64_t)config->connect_ms, 0);
	s->open = 2;
	return s;
}

static void on_part_closed(struct og_session *s)
{
	if (--s->open > 0)
		return;
	s->on_closed(s->closed_ctx);
	free(s);
}

static void on_timer_closed(uv_handle_t *handle)
{
	on_part_closed(handle->data);
}

static void on_amqp_closed(void *ctx)
{
	on_part_closed(ctx);
}

void og_session_close(struct og_session *s, void (*cb)(void *ctx), void *ctx)
{
	s->closing = true;
	s->on_closed = cb;
	s->closed_ctx = ctx;
	uv_close((uv_handle_t *)&s->bound, on_timer_closed);
	og_amqp_close(s->amqp, on_amqp_closed, s);
}

static void on_settled(void *ctx, enum og_settled how)
{
	struct publishing *p = ctx;
	struct og_session *s = p->session;

	/* A nack of a connection that is gone is no full queue: the exchange is missing, or forbidden. */
	if (how == OG_NACKED && !s->amqp->ops->is_up(s->amqp))
		s->refused = true;
	else if (how != OG_LOST)
		trust(s);
	if (p->cb && !s->closing && !s->refused)
		p->cb(p->ctx, how);
	free(p);
}

int og_session_publish(
	struct og_session *s, const struct og_message *m, og_settled_cb *cb, void *ctx, struct og_error *err)
{
	struct publishing *p = og_new(struct publishing);

	*p = (struct publishing){.session = s, .cb = cb, .ctx = ctx};
	if (og_amqp_publish(s->amqp, m, OG_PUBLISH_MANDATORY | OG_PUBLISH_BUNDLE, on_settled, p, err) < 0) {
		free(p);
		return -1;
	}
	return 0;
}

static void on_asked(void *ctx, enum og_settled how)
{
	struct og_session *s = ctx;
	struct og_error why;

	if (how != OG_NACKED && how != OG_RETURNED)
		return;
	og_fail(&why, OG_FATAL, "cluster '%s' has no queue for questions: `og-broker-config apply` makes it",
		s->config.settings->cluster);
	over(s, OG_EXIT_NOT_CONNECTED, &why);
}

int og_session_ask(
	struct og_session *s, const char *verb, json_t *body, char id[static OG_ID_LEN + 1], struct og_error *err)
{
	og_autofree char *text = body ? json_dumps(body, JSON_COMPACT) : og_strdup("{}");
	struct og_message m = {.exchange = OG_X_RPC, .routing_key = OG_K_RPC, .body = text, .body_len = strlen(text)};
	struct og_envelope e = {
		.type = OG_T_RPC, .id = id, .reply_to = s->reply, .content_type = "application/json", .verb = verb};

	json_decref(body);
	og_uuid_new(id);
	og_envelope_encode(&e, &m);
	return og_session_publish(s, &m, on_asked, s, err);
}
