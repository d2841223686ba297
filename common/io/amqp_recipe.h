/* What a client does each time it is connected: an ordered list of declares, binds and consumes. Plain data, shared
 * by the real client and its twin. */
#ifndef OG_IO_AMQP_RECIPE_H
#define OG_IO_AMQP_RECIPE_H

#include <uthash.h>

#include "io/amqp.h"

enum og_step_kind { OG_STEP_EXCHANGE, OG_STEP_QUEUE, OG_STEP_BIND, OG_STEP_CONSUME };
#define OG_STEP_KINDS 4

struct og_consumer {
	unsigned id; /* the handle; never used twice by one client */
	char *queue;
	unsigned prefetch;
	int priority;
	og_delivery_cb *cb;
	void *ctx;
	void (*on_stopped)(void *ctx); /* when it is being stopped */
	void *stopped_ctx;
};

struct og_step {
	enum og_step_kind kind;
	bool dropped; /* cancelled, stopped or cleared: skipped, and gone at the next restart */
	bool listed;  /* in og_recipe.consumers */
	union {
		struct {
			char *name;
			enum og_exchange_type type;
		} exchange;
		struct og_queue *queue;
		struct og_binding *binding;
		struct og_consumer consumer;
	};
	UT_hash_handle hh; /* in og_recipe.consumers */
};

struct og_recipe {
	struct og_step **steps;
	size_t n, room;
	struct og_step *consumers; /* those not dropped, or being stopped, by id: every delivery looks there */
	unsigned last_id;
};

void og_recipe_done(struct og_recipe *r);
void og_recipe_add_exchange(struct og_recipe *r, const struct og_exchange *x);
void og_recipe_add_queue(struct og_recipe *r, const struct og_queue *q);
void og_recipe_add_bind(struct og_recipe *r, const struct og_binding *b);
unsigned og_recipe_add_consume(
	struct og_recipe *r, const char *queue, unsigned prefetch, int priority, og_delivery_cb *cb, void *ctx);

/* Dropped steps keep their place until og_recipe_restart: answers to them may be on their way. */
void og_recipe_clear(struct og_recipe *r);
struct og_step *og_recipe_drop_consumer(struct og_recipe *r, unsigned id); /* NULL: no such consumer */
/* As drop, but it is found until og_recipe_stopped. */
struct og_step *og_recipe_stop_consumer(struct og_recipe *r, unsigned id, void (*cb)(void *ctx), void *ctx);
bool og_recipe_stopped(struct og_recipe *r, unsigned id, struct og_consumer *ret); /* false: it was not being stopped */
const struct og_consumer *og_recipe_consumer(const struct og_recipe *r, unsigned id); /* NULL: none, or dropped */
bool og_recipe_is_stopping(const struct og_recipe *r, unsigned id);
void og_recipe_restart(struct og_recipe *r);

#endif
