/* One request on a loop of its own, against a server in a thread. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/http.h"

TestSuite(http_fetch, .timeout = 60);

static int listener;
static char url[64];
static pthread_t thread;

/* Answers one connection with what it was given. */
static void *serve(void *answer)
{
	int fd = accept(listener, NULL, NULL);
	char request[4096];

	if (read(fd, request, sizeof(request)) > 0 && write(fd, answer, strlen(answer)) < 0)
		perror("write");
	close(fd);
	return NULL;
}

static void start_server(const char *answer)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(sa);

	listener = socket(AF_INET, SOCK_STREAM, 0);
	cr_assert_eq(bind(listener, (struct sockaddr *)&sa, sizeof(sa)), 0);
	cr_assert_eq(listen(listener, 1), 0);
	getsockname(listener, (struct sockaddr *)&sa, &len);
	snprintf(url, sizeof(url), "http://127.0.0.1:%d/", ntohs(sa.sin_port));
	cr_assert_eq(pthread_create(&thread, NULL, serve, (void *)answer), 0);
}

static void stop_server(void)
{
	pthread_join(thread, NULL);
	close(listener);
}

Test(http_fetch, a_whole_answer)
{
	const struct og_http_request request = {.method = "GET", .url = url};
	struct og_error err = {0};
	char *body;
	size_t len;
	int status;

	start_server("HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nhello");
	cr_assert_eq(og_http_fetch(&request, &status, &body, &len, &err), 0, "%s", err.message);
	cr_expect_eq(status, 404);
	cr_expect_eq(len, 5);
	cr_expect_str_eq(body, "hello");
	free(body);
	stop_server();
}

static void check_failure(const struct og_http_request *request, enum og_kind kind, const char *words)
{
	struct og_error err = {0};
	char *body = url;
	size_t len = 7;
	int status = 7;

	cr_assert_eq(og_http_fetch(request, &status, &body, &len, &err), -1);
	cr_expect_eq(err.kind, kind);
	cr_expect(strstr(err.message, words), "%s", err.message);
	cr_expect(status == 7 && body == url && len == 7, "outputs are untouched on failure");
}

Test(http_fetch, an_answer_over_the_cap)
{
	start_server("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
	check_failure(&(struct og_http_request){.method = "GET", .url = url, .limits.body_cap = 4}, OG_INVALID,
		"larger than 4 bytes");
	stop_server();
}

Test(http_fetch, an_answer_that_is_cut)
{
	start_server("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell");
	check_failure(&(struct og_http_request){.method = "GET", .url = url}, OG_RETRY, "1 bytes remaining");
	stop_server();
}

Test(http_fetch, no_server_and_no_url)
{
	check_failure(&(struct og_http_request){.method = "GET", .url = "http://127.0.0.1:1/"}, OG_RETRY, "connect");
	check_failure(&(struct og_http_request){.method = "GET", .url = "nothing"}, OG_INVALID, "nothing");
}
