/* A store on a Redis in memory: each test says what the scripts answer. */
#ifndef OG_TESTS_STORE_RIG_H
#define OG_TESTS_STORE_RIG_H

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "leaks.h"
#include "store/keys.h"
#include "store/ledger.h"

static struct rig {
	uv_loop_t loop;
	struct og_redis *redis;
	struct og_gateway_store *store;
	struct og_buf asked; /* "script argument …;" each, without the prefix and the clock */
	/* Fills the answer, or fails. */
	int (*answer)(int argc, const char *const *argv, struct og_redis_reply *ret, struct og_error *err);
	int64_t lease_ms;
	void (*on_orphans)(void *ctx, const struct og_orphan *orphans, size_t n);
	bool closed;
} rig;

static int rig_answer(void *ctx, int argc, const char *const *argv, const size_t *lens, struct og_redis_reply *ret,
	struct og_error *err)
{
	(void)ctx, (void)lens;
	og_buf_adds(&rig.asked, argv[0]);
	for (int i = 3; i < argc; i++)
		og_buf_addf(&rig.asked, " %s", argv[i]);
	og_buf_adds(&rig.asked, ";");
	return rig.answer(argc, argv, ret, err);
}

static struct og_redis *rig_dial(void *ctx, const struct og_redis_events *events, struct og_error *err)
{
	const struct og_redis_memory memory = {.answer = rig_answer};

	(void)ctx, (void)err;
	rig.redis = og_redis_memory_open(&rig.loop, &memory, events);
	return rig.redis;
}

static void rig_turn(int n)
{
	while (n--)
		uv_run(&rig.loop, UV_RUN_NOWAIT);
}

static void rig_open(void)
{
	const struct og_store_config config = {
		.cluster = "c", .dial = rig_dial, .lease_ms = rig.lease_ms, .on_orphans = rig.on_orphans};

	uv_loop_init(&rig.loop);
	og_buf_init(&rig.asked, 1 << 20);
	rig.store = og_store_open(&rig.loop, &config, NULL);
	rig_turn(1);
	cr_assert(og_store_is_up(rig.store));
}

static void rig_on_closed(void *ctx)
{
	(void)ctx;
	rig.closed = true;
}

static void rig_close(void)
{
	if (rig.store)
		og_store_close(OG_TAKE(rig.store), rig_on_closed, NULL);
	uv_run(&rig.loop, UV_RUN_DEFAULT);
	cr_expect(rig.closed);
	cr_expect_eq(uv_loop_close(&rig.loop), 0, "something is left on the loop");
	og_buf_done(&rig.asked);
}

/* What was asked since the last time. The caller frees. */
static inline char *rig_asked(void)
{
	return og_buf_take(&rig.asked);
}

#endif
