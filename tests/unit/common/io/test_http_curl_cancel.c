#include <netdb.h>
#include <unistd.h>

#include "http_rig.h"

TestSuite(http_curl_cancel, .timeout = 60);

/* ---- a resolver that takes its time, in place of libc's, for one name ---- */

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **res)
{
	(void)service, (void)hints, (void)res;
	cr_assert_str_eq(node, "slow.test");
	usleep(2000 * 1000);
	return EAI_NONAME;
}

/* ---- cancel, abort, close: from anywhere ---- */

static void check_cancelled(enum at at, void (*how)(struct peer *))
{
	struct seen s = {.act_at = at, .act = cancel_and_close};

	serve = how;
	start(&s);
	run_to_end();
	cr_expect_eq(s.ends, 0);
	cr_expect_eq(s.bodies, at == BODY ? 1 : 0);
	cr_expect_eq(gone, 1);
}

Test(http_curl_cancel, cancelled_in_on_status, .init = setup, .fini = teardown)
{
	check_cancelled(STATUS, serve_a_beginning);
}

Test(http_curl_cancel, cancelled_in_on_body, .init = setup, .fini = teardown)
{
	check_cancelled(BODY, serve_a_beginning);
}

Test(http_curl_cancel, cancelled_in_its_on_end, .init = setup, .fini = teardown)
{
	struct seen s = {.act_at = END, .act = cancel_and_close};

	start(&s);
	run_to_end();
	cr_expect_eq(s.ends, 1);
}

Test(http_curl_cancel, closed_in_on_body, .init = setup, .fini = teardown)
{
	struct seen s = {.act_at = BODY, .act = close_all}, other = {0};

	serve = serve_a_beginning;
	start(&other);
	start(&s);
	run_to_end();
	cr_expect_eq(s.ends + other.ends, 0);
	cr_expect_eq(gone, 2);
}

static struct seen *victim;

static void cancel_the_other(struct seen *s)
{
	(void)s;
	cancel(victim);
	close_all(NULL);
}

Test(http_curl_cancel, one_cancels_the_other, .init = setup, .fini = teardown)
{
	struct seen other = {0}, s = {.act_at = BODY, .act = cancel_the_other};

	serve = serve_a_beginning;
	victim = &other;
	start(&other);
	start(&s);
	run_to_end();
	cr_expect_eq(s.ends + other.ends, 0);
	cr_expect_eq(gone, 2);
}

Test(http_curl_cancel, aborted_by_the_reader, .init = setup, .fini = teardown)
{
	struct seen s = {.abort = true};

	run_one(&s);
	cr_expect_eq(s.err.kind, OG_INVALID);
	cr_expect_str_eq(s.err.message, "aborted by the reader");
}

static struct seen *prefilling;

static void on_prefill_timer(uv_timer_t *timer)
{
	if (prefilling->call) {
		og_http_cancel(http, OG_TAKE(prefilling->call));
	} else if (gone) {
		uv_close((uv_handle_t *)timer, NULL);
		close_all(NULL);
	}
}

Test(http_curl_cancel, cancel_before_the_first_byte_reaches_the_server, .init = setup, .fini = teardown)
{
	struct seen s = {0};
	uv_timer_t timer;

	serve = serve_nothing;
	prefilling = &s;
	start(&s);
	uv_timer_init(&loop, &timer);
	uv_timer_start(&timer, on_prefill_timer, 100, 1);
	run_to_end();
	cr_expect_eq(gone, 1);
	cr_expect_eq(s.ends, 0);
}

Test(http_curl_cancel, cancelled_and_closed_at_once, .init = setup, .fini = teardown)
{
	struct seen s = {0}, other = {0};

	start(&s);
	start(&other);
	cancel(&s);
	close_all(&s);
	run_to_end();
	cr_expect_eq(s.ends + other.ends, 0);
}

Test(http_curl_cancel, cancelled_and_closed_after_any_turn_of_the_loop)
{
	for (int turns = 0; turns < 20; turns++) {
		struct seen s = {0}, other = {0};

		setup();
		closed = 0;
		start(&s);
		start(&other);
		for (int i = 0; i < turns; i++)
			uv_run(&loop, UV_RUN_NOWAIT);
		if (!other.ends)
			cancel(&other);
		close_all(NULL);
		run_to_end();
		cr_expect_leq(s.ends, 1);
		teardown();
	}
}

/* ---- the loop goes on ---- */

static int64_t widest, last_tick;

static void on_tick(uv_timer_t *timer)
{
	int64_t now = og_clock_mono_ms();

	(void)timer;
	if (last_tick && now - last_tick > widest)
		widest = now - last_tick;
	last_tick = now;
}

static uv_timer_t tick, enough;

static void on_resolver_ended(uv_timer_t *timer)
{
	uv_close((uv_handle_t *)timer, NULL);
	uv_close((uv_handle_t *)&tick, NULL);
}

static void on_enough(uv_timer_t *timer)
{
	cancel(prefilling);
	close_all(NULL);
	uv_timer_start(timer, on_resolver_ended, 2500, 0);
}

Test(http_curl_cancel, a_resolver_that_hangs_stops_neither_the_loop_nor_cancel, .init = setup, .fini = teardown)
{
	struct seen s = {0};

	prefilling = &s;
	start_at(&s, "http://slow.test/", NULL);
	uv_timer_init(&loop, &tick);
	uv_timer_init(&loop, &enough);
	uv_timer_start(&tick, on_tick, 0, 10);
	uv_timer_start(&enough, on_enough, 100, 0);
	run_to_end();
	cr_expect_lt(widest, 1000);
	cr_expect_eq(s.ends, 0);
}
