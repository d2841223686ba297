#include "desired.h"

static json_t *section(json_t *definitions, const char *name)
{
	json_t *array = json_object_get(definitions, name);

	if (!array) {
		array = json_array();
		json_object_set_new(definitions, name, array);
	}
	return array;
}

static json_t *exchange_of(const struct og_exchange *x, const char *vhost)
{
	static const char *const types[] = {
		[OG_EXCHANGE_DIRECT] = "direct", [OG_EXCHANGE_TOPIC] = "topic", [OG_EXCHANGE_FANOUT] = "fanout"};

	return json_pack("{s:s, s:s, s:s, s:b, s:b, s:b, s:{}}", "name", x->name, "vhost", vhost, "type",
		types[x->type], "durable", 1, "auto_delete", 0, "internal", 0, "arguments");
}

static void set_number(json_t *object, const char *name, int64_t value)
{
	if (value)
		json_object_set_new(object, name, json_integer(value));
}

static json_t *arguments_of(const struct og_queue_args *a)
{
	json_t *args = json_object();

	json_object_set_new(args, "x-queue-type", json_string(a->quorum ? "quorum" : "classic"));
	set_number(args, "x-max-length", a->max_length);
	set_number(args, "x-max-length-bytes", a->max_length_bytes);
	if (a->reject_publish)
		json_object_set_new(args, "x-overflow", json_string("reject-publish"));
	set_number(args, "x-delivery-limit", a->delivery_limit);
	if (a->dead_letter) {
		bool retry = a->dead_letter == OG_DEAD_TO_RETRY;

		json_object_set_new(args, "x-dead-letter-exchange", json_string(retry ? OG_X_RETRY : OG_X_DEAD));
		json_object_set_new(args, "x-dead-letter-routing-key", json_string(retry ? OG_K_RETRY : OG_K_DEAD));
		if (retry)
			json_object_set_new(args, "x-dead-letter-strategy", json_string("at-least-once"));
	}
	set_number(args, "x-message-ttl", a->message_ttl_ms);
	set_number(args, "x-expires", a->expires_ms);
	if (a->single_active_consumer)
		json_object_set_new(args, "x-single-active-consumer", json_true());
	return args;
}

static json_t *queue_of(const struct og_queue *q, const char *vhost)
{
	return json_pack("{s:s, s:s, s:b, s:b, s:o}", "name", q->name, "vhost", vhost, "durable", q->durable,
		"auto_delete", q->auto_delete, "arguments", arguments_of(&q->args));
}

static json_t *binding_of(const struct og_binding *b, const char *vhost)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:{}}", "source", b->exchange, "vhost", vhost, "destination",
		b->queue, "destination_type", "queue", "routing_key", b->key, "arguments");
}

json_t *og_desired_new(const struct og_topology *t, const char *vhost)
{
	json_t *d = json_object();

	json_array_append_new(section(d, "vhosts"), json_pack("{s:s}", "name", vhost));
	for (size_t i = 0; i < t->n_exchanges; i++)
		json_array_append_new(section(d, "exchanges"), exchange_of(&t->exchanges[i], vhost));
	for (size_t i = 0; i < t->n_queues; i++)
		json_array_append_new(section(d, "queues"), queue_of(&t->queues[i], vhost));
	for (size_t i = 0; i < t->n_bindings; i++)
		json_array_append_new(section(d, "bindings"), binding_of(&t->bindings[i], vhost));
	return d;
}

void og_desired_add_user(json_t *desired, const char *vhost, enum og_role role, const char *user, const char *password)
{
	struct og_permissions p;

	og_role_permissions(role, user, &p);
	if (password)
		json_array_append_new(section(desired, "users"),
			json_pack("{s:s, s:s, s:s}", "name", user, "password", password, "tags", ""));
	json_array_append_new(
		section(desired, "permissions"), json_pack("{s:s, s:s, s:s, s:s, s:s}", "user", user, "vhost", vhost,
							 "configure", p.configure, "write", p.write, "read", p.read));
	for (size_t i = 0; i < p.n_topics; i++)
		json_array_append_new(section(desired, "topic_permissions"),
			json_pack("{s:s, s:s, s:s, s:s, s:s}", "user", user, "vhost", vhost, "exchange",
				p.topics[i].exchange, "write", p.topics[i].write, "read", p.topics[i].read));
}
