/* A producer as the benches want it: a loop with a time limit, one connection, one reply key and its queue, jobs that are known by their
 * number. */
#ifndef OG_BENCH_PRODUCER_H
#define OG_BENCH_PRODUCER_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/error.h"
#include "io/amqp.h"
#include "model/envelope.h"
#include "model/names.h"
#include "model/settings.h"

struct producer {
	uv_loop_t loop;
	uv_timer_t limit;
	bool over; /* it is closing, or closed */
	bool late; /* because its time had passed */
	struct og_settings settings;
	struct og_amqp *amqp;
	char reply[OG_KEY_MAX];
	char head[OG_ID_LEN + 1]; /* a UUID, whose last group is a job's number in each id */
};

/* Reads the settings (`config` may be NULL: those of the data root), and connects as the role `producer`; all that comes to
 * the reply key goes to `on_delivery`, with the ctx of `events`. `prefetch` 0: no limit. */
int producer_open(struct producer *p, const char *config, const char *name, unsigned prefetch,
	const struct og_amqp_events *events, og_delivery_cb *on_delivery, struct og_error *err);
/* Until it is closed and nothing else is open on its loop. After so many seconds (0: never) it is closed by itself: nothing else may keep
 * the loop then. -1: something did. */
int producer_run(struct producer *p, int64_t timeout_s);
void producer_close(struct producer *p);
void producer_done(struct producer *p);

void producer_id(const struct producer *p, int64_t number, char ret_id[OG_ID_LEN + 1]);
/* -1: it is none of this producer's. */
int64_t producer_number(const struct producer *p, const char *id);

/* Publishes a request into the intake, persistent and mandatory, in a bundle with others that are published in this turn where
 * e->bundle says that they can be read so; fills type, id and reply key. -1: the connection takes no more now (on_writable). */
int producer_submit(struct producer *p, int64_t number, struct og_envelope *e, const char *body, size_t len,
	og_settled_cb *cb, void *ctx, struct og_error *err);

#endif
