/* The broker in memory, as its parts see it: amqp_memory.c is the ops and what tests call, amqp_memory_life.c the
 * clients and the tasks, amqp_memory_queues.c who gets what from which queue; amqp_memory_store.c knows no clients.
 *
 * All that happens is a task in one queue, run one by one from an idle handle: so no callback is ever called from
 * inside a call, the order is the same in every run, and a task needs to look after one client or queue only. */
#ifndef OG_IO_AMQP_MEMORY_BROKER_H
#define OG_IO_AMQP_MEMORY_BROKER_H

#include "io/amqp_memory.h"
#include "io/amqp_memory_store.h"
#include "io/amqp_recipe.h"
#include "io/amqp_window.h"

enum og_memory_task_kind {
	OG_MEMORY_CONNECT,
	OG_MEMORY_STEPS,
	OG_MEMORY_SEND,
	OG_MEMORY_CONFIRM,
	OG_MEMORY_DISPATCH,
	OG_MEMORY_DELETE,
	OG_MEMORY_DROP,
	OG_MEMORY_BLOCKED,
	OG_MEMORY_STOPPED,
	OG_MEMORY_CLOSE
};

struct og_memory_task {
	enum og_memory_task_kind kind;
	struct og_memory_client *c;
	struct og_stored_queue *q;
	uint64_t epoch, tag;
	enum og_settled how;
	struct og_memory_task *prev, *next;
};

/* A delivery that is not acked yet. */
struct og_memory_held {
	uint64_t tag;
	struct og_stored_queue *q;
	struct og_stored *x;
	unsigned consumer;
	UT_hash_handle hh;
};

/* Of a queue, highest priority first; among equals the one that waited longest. */
struct og_memory_consuming {
	struct og_memory_client *c;
	unsigned id, prefetch, held;
	int priority;
	struct og_memory_consuming *prev, *next;
};

struct og_memory_client {
	struct og_amqp base;
	struct og_memory_broker *b;
	char *user;
	struct og_amqp_events events;
	bool republish, up, closing, connecting; /* connecting: its OG_MEMORY_CONNECT is posted */
	uint64_t epoch, last_tag;
	struct og_recipe recipe;
	size_t steps_done;
	struct og_window window;
	struct og_memory_held *held;
	void (*on_writable)(void *ctx);
	void *writable_ctx;
	void (*on_closed)(void *ctx);
	void *closed_ctx;
	struct og_memory_client *prev, *next;
};

struct og_memory_broker {
	uv_idle_t idle;
	struct og_store store;
	struct og_memory_client *clients;
	struct og_memory_task *tasks, *held_confirms;
	bool hold, blocked;
};

/* amqp_memory_life.c */
void og_memory_post(struct og_memory_broker *b, struct og_memory_task t);
/* Those of a client or of a queue; with neither, all. */
void og_memory_forget_tasks(
	struct og_memory_task **list, const struct og_memory_client *c, const struct og_stored_queue *q);
void og_memory_run_tasks(uv_idle_t *idle);
void og_memory_connect_soon(struct og_memory_client *c);
/* Something changed for which a client that is down may have waited: a lock, a queue of another's. */
void og_memory_wake(struct og_memory_broker *b);

/* amqp_memory_queues.c */
void og_memory_schedule(void *broker, struct og_stored_queue *q); /* it may have something for someone */
void og_memory_dispatch(struct og_memory_broker *b, struct og_stored_queue *q);
void og_memory_consume(struct og_stored_queue *q, struct og_memory_client *c, const struct og_consumer *k);
/* False: it has no such consumer. */
bool og_memory_stop_consuming(struct og_stored_queue *q, struct og_memory_client *c, unsigned id); /* 0: any */
void og_memory_retire(
	struct og_memory_broker *b, struct og_stored_queue *q); /* deletes it where that was its last one */
void og_memory_requeue(struct og_memory_client *c, struct og_memory_held *h);
void og_memory_forget(struct og_memory_client *c, struct og_memory_held *h); /* acked, or rejected for good */
void og_memory_disconnect(struct og_memory_client *c); /* all it holds goes back, its exclusive queues go */
void og_memory_delete_queue(struct og_memory_broker *b, struct og_stored_queue *q);
/* The broker cancels the consumers, and each client begins again. */
void og_memory_delete_under_consumers(struct og_memory_broker *b, struct og_stored_queue *q);

#endif
