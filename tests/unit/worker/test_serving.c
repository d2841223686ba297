#include "serving.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "leaks.h"

static const char rows[] = "[tier Small]\ncpu_cores = 1\nram_gib = 1\nvram_gib = 0\ndisk_gib = 1\n"
			   "[tier Middle]\ncpu_cores = 1\nram_gib = 1\nvram_gib = 0\ndisk_gib = 1\n";

static struct {
	uv_loop_t loop;
	struct og_catalogue *catalogue;
	struct og_profile profile;
	struct og_serving s;
	struct og_engine engine;
	og_engine_probe_cb *cb;
	void *cb_ctx;
	unsigned asked, changes;
	bool busy;
} t;

static int fake_probe(struct og_engine *e, og_engine_probe_cb *cb, void *ctx, struct og_error *err)
{
	(void)e;
	(void)err;
	t.asked++;
	t.cb = cb;
	t.cb_ctx = ctx;
	return 0;
}

static const struct og_engine_ops fake = {.kind = "fake", .probe = fake_probe};

static bool is_busy(void *ctx)
{
	(void)ctx;
	return t.busy;
}

static void on_change(void *ctx)
{
	(void)ctx;
	t.changes++;
}

static void answer(const char *model, int64_t slots)
{
	og_autofree struct og_serves *serves = og_new(struct og_serves);

	serves->slots = slots;
	serves->context = 1000 * slots;
	if (model)
		snprintf(serves->models[serves->n_models++], OG_NAME_MAX, "%s", model);
	t.cb(t.cb_ctx, serves, NULL);
}

static void refuse(const char *why)
{
	struct og_error err;

	og_fail(&err, OG_RETRY, "%s", why);
	t.cb(t.cb_ctx, NULL, &err);
}

static void setup(void)
{
	struct og_error err;

	cr_assert_eq(og_catalogue_parse(rows, strlen(rows), "test", &t.catalogue, &err), 0, "%s", err.message);
	uv_loop_init(&t.loop);
	t.profile = (struct og_profile){
		.cpu_cores = 4, .ram_total_bytes = INT64_C(8) << 30, .disk_free_bytes = INT64_C(1) << 40};
	t.engine.ops = &fake;
	t.s = (struct og_serving){.engine = &t.engine,
		.catalogue = t.catalogue,
		.profile = &t.profile,
		.wish = {"auto", ""},
		.is_busy = is_busy,
		.on_change = on_change};
	og_serving_start(&t.s, &t.loop);
}

static void teardown(void)
{
	og_serving_stop(&t.s);
	uv_run(&t.loop, UV_RUN_DEFAULT);
	cr_assert_eq(uv_loop_close(&t.loop), 0);
	free(t.catalogue);
}

static uint64_t due_in(void)
{
	return uv_is_active((uv_handle_t *)&t.s.timer) ? uv_timer_get_due_in(&t.s.timer) : UINT64_MAX;
}

/* The timer's time has come. */
static void fire(void)
{
	uv_timer_cb cb = t.s.timer.timer_cb;

	uv_timer_stop(&t.s.timer);
	cb(&t.s.timer);
}

TestSuite(serving, .init = setup, .fini = teardown, .timeout = 60);

Test(serving, is_ready_once_the_engine_has_the_model)
{
	cr_assert_eq(t.asked, 1);
	cr_assert(!t.s.ready);
	answer("Small", 4);
	cr_assert(t.s.ready);
	cr_assert_str_eq(t.s.choice.tier->id, "Small");
	cr_assert_eq(t.s.slots, 4);
	cr_assert_eq(t.s.context, 4000);
	cr_assert_eq(t.changes, 1);
	cr_assert_str_eq(t.s.why, "");
}

Test(serving, tells_of_another_context_of_an_engine_that_was_started_anew)
{
	answer("Small", 4);
	fire();
	answer("Small", 4);
	cr_assert_eq(t.changes, 1);
	fire();
	answer("Small", 2);
	cr_assert_eq(t.changes, 2);
	cr_assert_eq(t.s.context, 2000);
	cr_assert_eq(t.s.slots, 4, "the consumer's prefetch stays");
}

Test(serving, asks_again_with_backoff_until_it_does)
{
	uint64_t before = 0, longest = 0;

	for (int i = 0; i < 12; i++) {
		refuse("connection refused");
		cr_assert(!t.s.ready);
		cr_assert_leq(due_in(), 10000);
		longest = due_in() > longest ? due_in() : longest;
		before = i ? before : due_in();
		fire();
	}
	cr_assert_leq(before, 500);
	cr_assert_gt(longest, 2000);
	cr_assert_eq(t.changes, 1, "one trouble is told once");
	cr_assert(strstr(t.s.why, "connection refused"));
	refuse("loading");
	cr_assert_eq(t.changes, 2);
	fire();
	answer("Middle", 0);
	cr_assert(t.s.ready);
}

Test(serving, looks_whether_it_is_still_there_and_leaves_it_alone_while_busy)
{
	answer("Small", 1);
	cr_assert_eq(t.asked, 1);
	t.busy = true;
	fire();
	cr_assert_eq(t.asked, 1);
	t.busy = false;
	fire();
	cr_assert_eq(t.asked, 2);
	answer("Small", 1);
	cr_assert_eq(t.changes, 1);
	fire();
	refuse("gone");
	cr_assert(!t.s.ready);
	cr_assert_eq(t.changes, 2);
}

Test(serving, the_tier_once_chosen_stays)
{
	answer("Small", 1);
	fire();
	answer("Middle", 1);
	cr_assert(!t.s.ready);
	cr_assert(strstr(t.s.why, "not Small"), "%s", t.s.why);
	fire();
	answer("Small", 1);
	cr_assert(t.s.ready);
}

Test(serving, a_doubt_asks_at_once_even_while_busy)
{
	answer("Small", 1);
	t.busy = true;
	og_serving_doubt(&t.s);
	cr_assert(t.s.ready);
	cr_assert_eq(due_in(), 0);
	fire();
	cr_assert_eq(t.asked, 2);
	refuse("connection refused");
	cr_assert(!t.s.ready);
}

Test(serving, one_that_answers_probes_and_fails_runs_is_given_longer_and_longer_pauses)
{
	uint64_t first = 0, longest = 0;

	answer("Small", 1);
	for (int i = 1; i < OG_SERVING_FAILURES_MAX + 8; i++) {
		og_serving_doubt(&t.s);
		cr_assert_eq(t.s.ready, i < OG_SERVING_FAILURES_MAX, "after %d", i);
		first = i == OG_SERVING_FAILURES_MAX ? due_in() : first;
		longest = due_in() > longest ? due_in() : longest;
		fire();
		answer("Small", 1);
		cr_assert(t.s.ready);
	}
	cr_assert_leq(first, 500);
	/* Each is drawn from 250 ms to a bound that doubles: that all eight stay below 1 s happens once in ten million runs. */
	cr_assert_gt(longest, 1000, "%d", (int)longest);
	og_serving_trust(&t.s);
	og_serving_doubt(&t.s);
	cr_assert(t.s.ready, "the first one again");
	cr_assert_eq(due_in(), 0);
}
