/* The workers' own queues, og.node.<user>~<worker>: made when the first job is meant for the worker, read by it when it
 * was told so (its heartbeat says `node_queue`). They stay, as the names of workers do. What lies in one whose worker is
 * gone, or lives and does not read it (it drains, its engine is away), is taken out of it, and placed again.
 *
 * Their names are kept in Redis (`node_queues`), so that a new leader finds those too whose worker it never hears. */
#ifndef OG_SCHEDULER_NODE_QUEUE_H
#define OG_SCHEDULER_NODE_QUEUE_H

#include "shell/scheduler.h"

#define OG_NODE_QUEUE_MS       2000 /* for so long a job waits for it; then it goes to its tier's queue, if it may */
#define OG_NODE_QUEUE_PREFETCH 16

enum og_node_queue_state {
	OG_NODE_QUEUE_READ,   /* its worker reads it */
	OG_NODE_QUEUE_COMING, /* it was made, its worker was told */
	OG_NODE_QUEUE_LATE,   /* so long ago that something is wrong */
};
enum og_node_queue_state og_node_queue_want(struct og_scheduler *s, const struct og_worker *w, int64_t now);
/* A message for it reached no queue: it is made again. */
void og_node_queue_missing(struct og_scheduler *s, const struct og_worker *w);

void og_node_queues_load(struct og_scheduler *s); /* learns what Redis knows of them, and tells it what it does not */
void og_node_queues_tick(struct og_scheduler *s, int64_t now);
void og_node_queues_drop(struct og_scheduler *s); /* the term ends */

#endif
