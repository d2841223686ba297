/* The client against a server on the same loop, which does what each test says. Real Redis: tests/integration. */
#include <criterion/criterion.h>
#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "io/redis.h"

TestSuite(redis_hiredis, .timeout = 60);

#define LATE_MS 300 /* the time-out where one must pass; elsewhere a slow machine is no fault */

/* ---- the server ---- */

struct peer;
typedef void serve(struct peer *peer, const redisReply *command);

static uv_loop_t loop;
static uv_tcp_t listener;
static char address[64];
static serve *serve_command;
static unsigned accepted;

struct peer {
	uv_tcp_t tcp;
	redisReader *reader;
	char input[65536];
};

static void peer_say(struct peer *peer, const char *wire)
{
	uv_buf_t buf = uv_buf_init((char *)wire, (unsigned)strlen(wire));

	uv_try_write((uv_stream_t *)&peer->tcp, &buf, 1);
}

static void on_peer_closed(uv_handle_t *handle)
{
	struct peer *peer = handle->data;

	redisReaderFree(peer->reader);
	free(peer);
}

static void peer_close(struct peer *peer)
{
	if (!uv_is_closing((uv_handle_t *)&peer->tcp))
		uv_close((uv_handle_t *)&peer->tcp, on_peer_closed);
}

static void on_peer_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct peer *peer = handle->data;

	(void)suggested;
	*buf = uv_buf_init(peer->input, sizeof(peer->input));
}

static void on_peer_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct peer *peer = stream->data;
	void *command;

	if (n < 0) {
		peer_close(peer);
		return;
	}
	redisReaderFeed(peer->reader, buf->base, (size_t)n);
	while (redisReaderGetReply(peer->reader, &command) == REDIS_OK && command) {
		serve_command(peer, command);
		freeReplyObject(command);
	}
}

static void on_connection(uv_stream_t *stream, int status)
{
	struct peer *peer = calloc(1, sizeof(*peer));

	cr_assert_eq(status, 0);
	accepted++;
	peer->reader = redisReaderCreate();
	uv_tcp_init(&loop, &peer->tcp);
	peer->tcp.data = peer;
	cr_assert_eq(uv_accept(stream, (uv_stream_t *)&peer->tcp), 0);
	uv_read_start((uv_stream_t *)&peer->tcp, on_peer_alloc, on_peer_read);
}

static bool is(const redisReply *command, const char *name)
{
	return strcmp(command->element[0]->str, name) == 0;
}

static void serve_all(struct peer *peer, const redisReply *command)
{
	peer_say(peer, is(command, "PING") ? "+PONG\r\n" : is(command, "AUTH") ? "+OK\r\n" : ":1\r\n");
}

static void serve_greeting_only(struct peer *peer, const redisReply *command)
{
	if (is(command, "PING"))
		peer_say(peer, "+PONG\r\n");
}

static void serve_nothing(struct peer *peer, const redisReply *command)
{
	(void)peer, (void)command;
}

/* ---- the client ---- */

struct seen {
	struct og_redis *r;
	unsigned up, down, closed;
	unsigned answered, failed, refused; /* callbacks with a reply, with an error; commands not taken */
	struct og_error why, err;
	unsigned burst;       /* commands to give when it is up */
	unsigned close_at;    /* close in the callback that is the n-th */
	unsigned close_on_up; /* close at the n-th on_up */
	unsigned close_on_down;
	int64_t timeout_ms; /* 0: 10 s */
};

static void on_closed(void *ctx)
{
	((struct seen *)ctx)->closed++;
}

static void close_client(struct seen *s)
{
	og_redis_close(s->r, on_closed, s);
	uv_close((uv_handle_t *)&listener, NULL);
}

static void on_answer(void *ctx, const struct og_redis_reply *reply, const struct og_error *err)
{
	struct seen *s = ctx;

	cr_assert_neq(!reply, !err);
	s->answered += reply != NULL;
	s->failed += err != NULL;
	if (err)
		s->err = *err;
	if (s->answered + s->failed == s->close_at)
		close_client(s);
}

static int ask(struct seen *s)
{
	struct og_error err = {0};
	int status = og_redis_command(s->r, 2, (const char *[]){"GET", "k"}, NULL, on_answer, s, &err);

	if (status < 0) {
		s->refused++;
		s->err = err;
	}
	return status;
}

static void on_up(void *ctx)
{
	struct seen *s = ctx;

	s->up++;
	cr_assert(og_redis_is_up(s->r));
	for (; s->burst; s->burst--)
		ask(s);
	if (s->up == s->close_on_up)
		close_client(s);
}

static void on_down(void *ctx, const struct og_error *why)
{
	struct seen *s = ctx;

	s->down++;
	s->why = *why;
	cr_assert_not(og_redis_is_up(s->r));
	cr_assert_eq(og_redis_in_flight(s->r), 0);
	if (s->down == s->close_on_down)
		close_client(s);
}

static void open_client(struct seen *s, const char *where, const char *user, const char *password)
{
	const struct og_redis_events events = {on_up, on_down, s};
	const struct og_redis_config config = {.address = where,
		.user = user,
		.password = password,
		.timeout_ms = s->timeout_ms ? s->timeout_ms : 10000,
		.window = 1000};
	struct og_error err = {0};

	s->r = og_redis_open(&loop, &config, &events, &err);
	cr_assert(s->r, "%s", err.message);
}

static void setup(void)
{
	struct sockaddr_in sa;
	int len = sizeof(sa);

	uv_loop_init(&loop);
	uv_tcp_init(&loop, &listener);
	uv_ip4_addr("127.0.0.1", 0, &sa);
	uv_tcp_bind(&listener, (struct sockaddr *)&sa, 0);
	cr_assert_eq(uv_listen((uv_stream_t *)&listener, 16, on_connection), 0);
	uv_tcp_getsockname(&listener, (struct sockaddr *)&sa, &len);
	snprintf(address, sizeof(address), "127.0.0.1:%d", ntohs(sa.sin_port));
	serve_command = serve_all;
	accepted = 0;
}

/* The loop ends by itself: nothing was left on it. */
static void run_to_end(const struct seen *s)
{
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_assert_eq(s->closed, 1);
	cr_assert_eq(uv_loop_close(&loop), 0);
}

Test(redis_hiredis, answers_and_closes, .init = setup)
{
	struct seen s = {.burst = 100, .close_at = 100};

	open_client(&s, address, "", NULL);
	cr_assert_eq(ask(&s), -1);
	cr_assert_eq(s.err.kind, OG_RETRY);
	cr_assert(strstr(s.err.message, "not yet connected"), "%s", s.err.message);
	run_to_end(&s);
	cr_expect_eq(s.up, 1);
	cr_expect_eq(s.down, 0);
	cr_expect_eq(s.answered, 100);
	cr_expect_eq(s.failed, 0);
}

Test(redis_hiredis, a_name_is_resolved, .init = setup)
{
	struct seen s = {.close_on_up = 1};
	char where[64];

	snprintf(where, sizeof(where), "localhost%s", strchr(address, ':'));
	open_client(&s, where, NULL,
		NULL); /* a server on 127.0.0.1 alone: should ::1 come first, the next attempt has it */
	run_to_end(&s);
	cr_expect_eq(s.up, 1);
}

Test(redis_hiredis, window, .init = setup)
{
	struct seen s = {.burst = 1001, .close_at = 1000};

	open_client(&s, address, NULL, NULL);
	run_to_end(&s);
	cr_expect_eq(s.refused, 1);
	cr_expect_eq(s.answered, 1000);
}

static void serve_auth(struct peer *peer, const redisReply *command)
{
	if (is(command, "AUTH") && command->elements == 3 && !strcmp(command->element[1]->str, "og") &&
		!strcmp(command->element[2]->str, "secret"))
		peer_say(peer, "+OK\r\n");
	else if (is(command, "AUTH"))
		peer_say(peer, "-WRONGPASS invalid username-password pair or user is disabled.\r\n");
	else
		peer_say(peer, "-NOPERM User og has no permissions to run the 'ping' command\r\n");
}

Test(redis_hiredis, user_and_password, .init = setup)
{
	struct seen s = {.close_on_up = 1};

	serve_command = serve_auth;
	open_client(&s, address, "og", "secret");
	run_to_end(&s);
	cr_expect_eq(s.up, 1);
	cr_expect_eq(s.down, 0);
}

Test(redis_hiredis, a_wrong_password_is_fatal_and_tried_again, .init = setup)
{
	struct seen s = {.close_on_down = 2};

	serve_command = serve_auth;
	open_client(&s, address, "og", "wrong");
	run_to_end(&s);
	cr_expect_eq(s.up, 0);
	cr_expect_eq(s.why.kind, OG_FATAL);
	cr_expect(strstr(s.why.message, "WRONGPASS"), "%s", s.why.message);
	cr_expect_eq(accepted, 2);
}

static void serve_loading(struct peer *peer, const redisReply *command)
{
	(void)command;
	peer_say(peer, accepted == 1 ? "-LOADING Redis is loading the dataset in memory\r\n" : "+PONG\r\n");
}

Test(redis_hiredis, a_server_that_loads_is_not_up_yet, .init = setup)
{
	struct seen s = {.close_on_up = 1};

	serve_command = serve_loading;
	open_client(&s, address, NULL, NULL);
	run_to_end(&s);
	cr_expect_eq(s.down, 1);
	cr_expect_eq(s.why.kind, OG_RETRY);
	cr_expect_eq(s.up, 1);
}

Test(redis_hiredis, a_refused_connection_is_told_at_once, .init = setup)
{
	struct seen s = {.close_on_down = 1};

	open_client(&s, "127.0.0.1:1", NULL, NULL);
	run_to_end(&s);
	cr_expect(strstr(s.why.message, "cannot connect: connection refused"), "%s", s.why.message);
}

Test(redis_hiredis, no_socket_at_the_path, .init = setup)
{
	struct seen s = {.close_on_down = 1};

	open_client(&s, "unix:/nonexistent/redis.sock", NULL, NULL);
	run_to_end(&s);
	cr_expect(strstr(s.why.message, "no such file"), "%s", s.why.message);
}

Test(redis_hiredis, a_server_that_does_not_greet_is_left, .init = setup)
{
	struct seen s = {.close_on_down = 1, .timeout_ms = LATE_MS};
	int64_t begin = og_clock_mono_ms();

	serve_command = serve_nothing;
	open_client(&s, address, NULL, NULL);
	run_to_end(&s);
	cr_expect_geq(og_clock_mono_ms() - begin, LATE_MS - 2);
	cr_expect(strstr(s.why.message, "not connected within 300 ms"), "%s", s.why.message);
}

static void serve_no_redis(struct peer *peer, const redisReply *command)
{
	(void)command;
	peer_say(peer, "HTTP/1.1 400 Bad Request\r\n\r\n");
}

Test(redis_hiredis, something_that_is_no_redis, .init = setup)
{
	struct seen s = {.close_on_down = 1};

	serve_command = serve_no_redis;
	open_client(&s, address, NULL, NULL);
	run_to_end(&s);
	cr_expect(strstr(s.why.message, "no Redis answers there: Protocol error"), "%s", s.why.message);
}

static void serve_twice(struct peer *peer, const redisReply *command)
{
	(void)command;
	peer_say(peer, "+PONG\r\n+PONG\r\n");
}

Test(redis_hiredis, an_answer_that_nobody_asked_for, .init = setup)
{
	struct seen s = {.close_on_down = 1};

	serve_command = serve_twice;
	open_client(&s, address, NULL, NULL);
	run_to_end(&s);
	cr_expect_eq(s.up, 1);
	cr_expect(strstr(s.why.message, "nobody asked for"), "%s", s.why.message);
}

Test(redis_hiredis, a_late_command_fails_all_and_connects_anew, .init = setup)
{
	struct seen s = {.burst = 10, .close_on_up = 2, .timeout_ms = LATE_MS};
	int64_t begin = og_clock_mono_ms();

	serve_command = serve_greeting_only;
	open_client(&s, address, NULL, NULL);
	run_to_end(&s);
	cr_expect_eq(s.failed, 10);
	cr_expect_eq(s.err.kind, OG_RETRY);
	cr_expect_eq(s.down, 1);
	cr_expect(strstr(s.why.message, "no answer within 300 ms"), "%s", s.why.message);
	cr_expect_eq(accepted, 2);
	cr_expect_geq(og_clock_mono_ms() - begin, LATE_MS);
}

static void serve_and_stop_the_loop(struct peer *peer, const redisReply *command)
{
	serve_all(peer, command);
	if (is(command, "GET"))
		usleep(2 * LATE_MS * 1000);
}

Test(redis_hiredis, a_loop_that_was_away_reads_before_it_judges, .init = setup)
{
	struct seen s = {.burst = 1, .close_at = 1, .timeout_ms = LATE_MS};

	serve_command = serve_and_stop_the_loop;
	open_client(&s, address, NULL, NULL);
	run_to_end(&s);
	cr_expect_eq(s.answered, 1);
	cr_expect_eq(s.down, 0);
}

static void serve_then_leave(struct peer *peer, const redisReply *command)
{
	static unsigned n;

	if (is(command, "PING"))
		peer_say(peer, "+PONG\r\n");
	else if (n++ < 400)
		peer_say(peer, ":1\r\n");
	else
		peer_close(peer);
}

Test(redis_hiredis, gone_with_a_thousand_in_flight, .init = setup)
{
	struct seen s = {.burst = 1000, .close_on_down = 1};

	serve_command = serve_then_leave;
	open_client(&s, address, NULL, NULL);
	run_to_end(&s);
	cr_expect_eq(s.answered + s.failed, 1000);
	cr_expect_geq(s.failed, 600);
	cr_expect_eq(s.err.kind, OG_RETRY);
	cr_expect_eq(s.down, 1);
}

Test(redis_hiredis, closed_in_a_callback_with_a_thousand_in_flight, .init = setup)
{
	struct seen s = {.burst = 1000, .close_at = 500};

	open_client(&s, address, NULL, NULL);
	run_to_end(&s);
	cr_expect_eq(s.answered, 500);
	cr_expect_eq(s.failed, 500);
	cr_expect_eq(s.down, 0);
}

Test(redis_hiredis, closed_in_a_callback_that_fails, .init = setup)
{
	struct seen s = {.burst = 1000, .close_at = 500, .timeout_ms = LATE_MS};

	serve_command = serve_greeting_only;
	open_client(&s, address, NULL, NULL);
	run_to_end(&s);
	cr_expect_eq(s.failed, 1000);
	cr_expect_eq(s.down, 0); /* nothing is told after close */
}

Test(redis_hiredis, closed_at_once, .init = setup)
{
	struct seen s = {0};

	open_client(&s, address, NULL, NULL);
	close_client(&s);
	run_to_end(&s);
	cr_expect_eq(s.up + s.down, 0);
}

Test(redis_hiredis, closed_after_any_turn_of_the_loop)
{
	for (int turns = 0; turns < 20; turns++) {
		struct seen s = {.burst = 50};

		setup();
		open_client(&s, address, "og", "secret");
		for (int i = 0; i < turns; i++)
			uv_run(&loop, UV_RUN_NOWAIT);
		close_client(&s);
		run_to_end(&s);
		cr_expect_eq(s.answered + s.failed, s.up ? 50 : 0);
	}
}

Test(redis_hiredis, closed_while_connecting, .init = setup)
{
	static const char *const where[] = {"192.0.2.1:6379", "localhost:1", "unix:/nonexistent/redis.sock"};
	struct seen s[3] = {{0}};

	uv_close((uv_handle_t *)&listener, NULL);
	for (int i = 0; i < 3; i++)
		open_client(&s[i], where[i], NULL, NULL);
	uv_run(&loop, UV_RUN_NOWAIT);
	for (int i = 0; i < 3; i++)
		og_redis_close(s[i].r, on_closed, &s[i]);
	uv_run(&loop, UV_RUN_DEFAULT);
	for (int i = 0; i < 3; i++)
		cr_expect_eq(s[i].closed, 1);
	cr_assert_eq(uv_loop_close(&loop), 0);
}

Test(redis_hiredis, an_address_that_cannot_be_one, .init = setup)
{
	const struct og_redis_config config = {.address = "host:none", .timeout_ms = 1, .window = 1};
	struct og_error err = {0};

	cr_assert_null(og_redis_open(&loop, &config, NULL, &err));
	cr_assert_eq(err.kind, OG_INVALID);
	og_redis_close(NULL, NULL, NULL);
}
