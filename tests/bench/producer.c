#include "producer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/topology.h"
#include "service/service.h"

#define ROLE    "producer"
#define ID_HEAD 24 /* characters of a UUID before its last group */

static void make_queue(struct producer *p, const char *user, unsigned prefetch, og_delivery_cb *on_delivery, void *ctx)
{
	struct og_binding binding;
	struct og_queue queue;

	og_reply_new(user, p->reply);
	og_topology_reply_queue(p->reply, &p->settings.limits, &queue);
	p->amqp->ops->recipe_queue(p->amqp, &queue);
	snprintf(binding.exchange, sizeof(binding.exchange), "%s", OG_X_REPLIES);
	snprintf(binding.queue, sizeof(binding.queue), "%s", queue.name);
	og_key_reply(p->reply, "*", binding.key);
	p->amqp->ops->recipe_bind(p->amqp, &binding);
	p->amqp->ops->recipe_consume(p->amqp, queue.name, prefetch, 0, on_delivery, ctx);
}

int producer_open(struct producer *p, const char *config, const char *name, unsigned prefetch,
	const struct og_amqp_events *events, og_delivery_cb *on_delivery, struct og_error *err)
{
	struct og_credentials credentials;

	uv_loop_init(&p->loop);
	og_uuid_new(p->head);
	if (og_settings_load(config, NULL, &p->settings, err) < 0)
		return -1;
	if (og_credentials_load(&p->settings, ROLE, &credentials, err) < 0 ||
		og_service_amqp(&p->loop, &p->settings, ROLE, name, false, events, &p->amqp, err) < 0) {
		og_settings_done(&p->settings);
		return -1;
	}
	make_queue(p, credentials.user, prefetch, on_delivery, events->ctx);
	return 0;
}

static void on_limit(uv_timer_t *timer)
{
	struct producer *p = timer->data;

	p->late = true;
	producer_close(p);
}

int producer_run(struct producer *p, int64_t timeout_s)
{
	uv_timer_init(&p->loop, &p->limit);
	p->limit.data = p;
	if (timeout_s)
		uv_timer_start(&p->limit, on_limit, (uint64_t)timeout_s * 1000, 0);
	uv_run(&p->loop, UV_RUN_DEFAULT);
	return uv_loop_close(&p->loop);
}

void producer_close(struct producer *p)
{
	if (p->over)
		return;
	p->over = true;
	uv_close((uv_handle_t *)&p->limit, NULL);
	og_amqp_close(p->amqp, NULL, NULL);
}

void producer_done(struct producer *p)
{
	og_settings_done(&p->settings);
}

void producer_id(const struct producer *p, int64_t number, char ret_id[OG_ID_LEN + 1])
{
	snprintf(ret_id, OG_ID_LEN + 1, "%.*s%012" PRIx64, ID_HEAD, p->head, (uint64_t)number);
}

int64_t producer_number(const struct producer *p, const char *id)
{
	if (!id || strncmp(id, p->head, ID_HEAD) != 0)
		return -1;
	return strtoll(id + ID_HEAD, NULL, 16);
}

int producer_submit(struct producer *p, int64_t number, struct og_envelope *e, const char *body, size_t len,
	og_settled_cb *cb, void *ctx, struct og_error *err)
{
	unsigned flags = OG_PUBLISH_MANDATORY | (e->bundle == OG_BUNDLES_MESSAGES ? OG_PUBLISH_BUNDLE : 0);
	char id[OG_ID_LEN + 1];
	struct og_message m = {
		.exchange = OG_X_JOBS, .routing_key = OG_K_INTAKE, .persistent = true, .body = body, .body_len = len};

	producer_id(p, number, id);
	e->type = OG_T_REQUEST;
	e->id = id;
	e->reply_to = p->reply;
	og_envelope_encode(e, &m);
	e->id = NULL; /* it was ours */
	return og_amqp_publish(p->amqp, &m, flags, cb, ctx, err);
}
