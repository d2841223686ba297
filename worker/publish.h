/* What a worker says about a run: `started`, chunks, `done`, `alone`; and whole jobs: those that nobody can read to og.dead,
 * those that are handed back to og.retry.
 *
 * The broker may be slower than the engine. What does not fit the confirm window waits here, in its order. Chunks
 * that wait are bounded in bytes: beyond that they are dropped, which a client sees as a gap in og-seq and fills from
 * `done`. A `done` is never dropped; there are no more of them than slots. */
#ifndef OG_WORKER_PUBLISH_H
#define OG_WORKER_PUBLISH_H

#include "identity.h"
#include "io/amqp.h"
#include "runs.h"

#define OG_CHUNKS_WAIT_MAX (16u * 1024 * 1024) /* bytes of chunks that wait for the broker */

struct og_waiting_publish;

struct og_publisher {
	struct og_amqp *amqp;
	const struct og_identity *who;
	struct og_waiting_publish *waiting;
	size_t waiting_chunk_bytes;
	uint64_t chunks_dropped;
};

void og_publisher_init(struct og_publisher *p, struct og_amqp *amqp, const struct og_identity *who);
void og_publisher_done(struct og_publisher *p); /* those who wait are forgotten, without a word */

void og_publish_started(struct og_publisher *p, const struct og_run *r, int64_t now_ms);
void og_publish_chunk(
	struct og_publisher *p, const struct og_run *r, const char *reply, int64_t seq, const char *chunk, size_t len);
/* Several in one message, of which each is a line; `seq` is the first's. */
void og_publish_chunks(struct og_publisher *p, const struct og_run *r, const char *reply, int64_t seq, int64_t n,
	const char *lines, size_t len);
/* r->done with all that r knows, to its reply key. `cb` once. */
void og_publish_done(struct og_publisher *p, const struct og_run *r, og_settled_cb *cb, void *ctx);
/* That this suspect begins to run, with nothing beside it. */
void og_publish_alone(struct og_publisher *p, const struct og_run *r, og_settled_cb *cb, void *ctx);
/* A message that is complete, to where it says. */
void og_publish_whole(struct og_publisher *p, const struct og_message *m, og_settled_cb *cb, void *ctx);

/* The copy of a message that og.dead is to get: its headers but for the broker's own, and why. The caller frees. */
struct og_message *og_dead_letter(const struct og_message *m, const char *error_type, const char *reason);

#endif
