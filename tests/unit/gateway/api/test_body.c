/* What is parsed beside the loop, and whose client goes meanwhile. */
#include "api/body.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "leaks.h"

#define BODY (100 * 1024)

TestSuite(body, .timeout = 60);

static uv_loop_t loop;
static struct og_api api = {.loop = &loop};
static uv_sem_t gate;
static unsigned asked, parsed;

#define UNTIL(condition)                                                                                               \
	do {                                                                                                           \
		while (!(condition))                                                                                   \
			uv_run(&loop, UV_RUN_ONCE);                                                                    \
	} while (0)

static void next(struct og_api *a, struct og_web_call *c)
{
	(void)a;
	parsed++;
	og_web_reply(c, 200, "text/plain", "", 0);
}

static void handle(void *ctx, struct og_web_call *c)
{
	(void)ctx;
	asked++;
	og_body_ready(&api, c, next);
}

static void refuse(void *ctx, struct og_web_call *c, enum og_web_why why)
{
	(void)ctx, (void)why;
	og_web_reply(c, 400, "text/plain", "", 0);
}

static void on_ended(void *ctx, const struct og_web_call *c)
{
	(void)ctx, (void)c;
}

static void wait_at_gate(uv_work_t *work)
{
	(void)work;
	uv_sem_wait(&gate);
}

static void over(uv_work_t *work, int status)
{
	(void)work, (void)status;
}

static int dial(const struct og_web *web)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)og_web_port(web))};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	cr_assert_eq(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

/* {"x":"    …"}, which the server reads as it comes. */
static void post_large(int fd)
{
	og_autofree char *text = og_printf(
		"POST /x HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n{\"x\":\"%*s\"}", BODY, BODY - 8, "");
	size_t len = strlen(text), at = 0;

	while (at < len) {
		ssize_t n = send(fd, text + at, len - at, MSG_DONTWAIT | MSG_NOSIGNAL);

		at += n > 0 ? (size_t)n : 0;
		uv_run(&loop, UV_RUN_NOWAIT);
	}
}

Test(body, of_a_client_that_has_gone_is_not_parsed_when_its_turn_comes)
{
	static const struct og_web_route routes[] = {{"POST", "/x", handle, NULL, 0}};
	const struct og_web_config config = {.listen = "127.0.0.1:0",
		.body_max = 2 * BODY,
		.bodies_max = 4 * BODY,
		.stream_max = 1 << 20,
		.connections_max = 10,
		.idle_ms = 60000,
		.body_ms = 60000,
		.cors_origins = "",
		.routes = routes,
		.n_routes = OG_COUNT(routes),
		.hooks = {.refuse = refuse, .ended = on_ended}};
	uv_work_t busy;
	struct og_web *web;
	int fd;

	setenv("UV_THREADPOOL_SIZE", "1", 1);
	og_log_init("test", OG_LOG_ERROR);
	uv_loop_init(&loop);
	web = og_web_open(&loop, &config, NULL);
	cr_assert_not_null(web);
	uv_sem_init(&gate, 0);
	uv_queue_work(&loop, &busy, wait_at_gate, over);
	fd = dial(web);
	post_large(fd);
	UNTIL(asked);
	cr_expect_eq(loop.active_reqs.count, 2, "it waits behind what keeps the thread");
	close(fd);
	UNTIL(loop.active_reqs.count == 1);
	uv_sem_post(&gate);
	og_web_close(web, NULL, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_expect_eq(parsed, 0);
	uv_sem_destroy(&gate);
	cr_expect_eq(uv_loop_close(&loop), 0);
}
