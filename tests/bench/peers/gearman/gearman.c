/* gearman's client and worker for the round trips, which speak its binary protocol themselves, so that its library is not the limit.
 *
 *   gearman PORT worker CONNECTIONS
 *   gearman PORT client [--jobs N] [--window W] [--body BYTES] [--rate PER_S]
 *
 * A client has one connection, and any number of jobs in the foreground; a worker's connection has one job at a time. What is read at once
 * is answered with one write. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tally.h"

#define HEAD      12
#define HANDLES   (1 << 17) /* jobs that are out, by the number in their handle */
#define WORKERS   64
#define LIMIT_MS  60000
#define FUNCTION  "echo"
#define READ_SIZE (1 << 18)

enum packet {
	CAN_DO = 1,
	PRE_SLEEP = 4,
	NOOP = 6,
	SUBMIT_JOB = 7,
	JOB_CREATED = 8,
	GRAB_JOB = 9,
	NO_JOB = 10,
	JOB_ASSIGN = 11,
	WORK_COMPLETE = 13,
	ERROR = 19
};

struct bytes {
	char *data;
	size_t length, size;
};

struct wire {
	int fd;
	struct bytes in, out;
};

static void die(const char *doing, const char *why)
{
	fprintf(stderr, "gearman: %s: %s\n", doing, why);
	exit(2);
}

static char *room(struct bytes *b, size_t more)
{
	if (b->size - b->length < more) {
		b->size = 2 * b->size + more;
		b->data = realloc(b->data, b->size);
		if (!b->data)
			abort();
	}
	return b->data + b->length;
}

static void add(struct bytes *b, const void *data, size_t length)
{
	if (!length)
		return;
	memcpy(room(b, length), data, length);
	b->length += length;
}

static void put(
	struct wire *w, enum packet type, const char *first, size_t n_first, const char *second, size_t n_second)
{
	uint32_t numbers[2] = {htonl(type), htonl((uint32_t)(n_first + n_second))};

	add(&w->out, "\0REQ", 4);
	add(&w->out, numbers, sizeof(numbers));
	add(&w->out, first, n_first);
	add(&w->out, second, n_second);
}

static void flush(struct wire *w)
{
	size_t sent = 0;

	while (sent < w->out.length) {
		ssize_t n = send(w->fd, w->out.data + sent, w->out.length - sent, MSG_NOSIGNAL);

		if (n < 0 && errno != EINTR)
			die("sending", strerror(errno));
		sent += n > 0 ? (size_t)n : 0;
	}
	w->out.length = 0;
}

static void dial(struct wire *w, int port)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
	int on = 1;

	w->fd = socket(AF_INET, SOCK_STREAM, 0);
	if (w->fd < 0 || connect(w->fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		die("connecting", strerror(errno));
	setsockopt(w->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

typedef void on_packet(void *ctx, struct wire *w, enum packet type, const char *data, size_t length);

static void read_packets(struct wire *w, on_packet *on, void *ctx)
{
	ssize_t n = recv(w->fd, room(&w->in, READ_SIZE), READ_SIZE, 0);
	size_t at = 0;

	if (n <= 0)
		die("reading", n ? strerror(errno) : "the server has closed");
	w->in.length += (size_t)n;
	while (w->in.length - at >= HEAD) {
		uint32_t numbers[2];

		memcpy(numbers, w->in.data + at + 4, sizeof(numbers));
		if (w->in.length - at - HEAD < ntohl(numbers[1]))
			break;
		if (ntohl(numbers[0]) == ERROR)
			die("the server said", w->in.data + at + HEAD);
		on(ctx, w, ntohl(numbers[0]), w->in.data + at + HEAD, ntohl(numbers[1]));
		at += HEAD + ntohl(numbers[1]);
	}
	memmove(w->in.data, w->in.data + at, w->in.length - at);
	w->in.length -= at;
	flush(w);
}

/* What is behind the first zero byte of a packet, and its length. */
static const char *behind(const char *data, size_t *length)
{
	const char *zero = memchr(data, 0, *length);

	if (!zero)
		die("reading", "a packet without its second part");
	*length -= (size_t)(zero + 1 - data);
	return zero + 1;
}

static void worker_packet(void *ctx, struct wire *w, enum packet type, const char *data, size_t length)
{
	const char *body = data;

	(void)ctx;
	if (type == JOB_ASSIGN) { /* handle, function, body */
		body = behind(behind(data, &length), &length);
		put(w, WORK_COMPLETE, data, strlen(data) + 1, body, length);
		put(w, GRAB_JOB, NULL, 0, NULL, 0);
	} else if (type == NOOP) {
		put(w, GRAB_JOB, NULL, 0, NULL, 0);
	} else if (type == NO_JOB) {
		put(w, PRE_SLEEP, NULL, 0, NULL, 0);
	}
}

static void work(int port, size_t n)
{
	static struct wire wires[WORKERS];
	struct pollfd polled[WORKERS];

	for (size_t i = 0; i < n; i++) {
		dial(&wires[i], port);
		polled[i] = (struct pollfd){.fd = wires[i].fd, .events = POLLIN};
		put(&wires[i], CAN_DO, FUNCTION, strlen(FUNCTION), NULL, 0);
		put(&wires[i], GRAB_JOB, NULL, 0, NULL, 0);
		flush(&wires[i]);
	}
	for (;;) {
		poll(polled, n, -1);
		for (size_t i = 0; i < n; i++) {
			if (polled[i].revents)
				read_packets(&wires[i], worker_packet, NULL);
		}
	}
}

struct client {
	struct tally tally;
	char *body;
	int64_t created;          /* the server answers submissions in their order */
	int64_t numbers[HANDLES]; /* of the jobs, by the number in their handle */
};

static size_t handle_of(const char *data, size_t length)
{
	size_t number = 0;

	for (size_t i = 0; i < length && data[i]; i++) /* "H:host:17" */
		number = data[i] >= '0' && data[i] <= '9' ? number * 10 + (size_t)(data[i] - '0') : 0;
	return number % HANDLES;
}

static void submit_due(struct client *c, struct wire *w)
{
	static const char head[] = FUNCTION "\0"; /* the function, and no name of the job's own */

	while (tally_wait_us(&c->tally) == 0) {
		tally_send(&c->tally);
		put(w, SUBMIT_JOB, head, sizeof(head), c->body, (size_t)c->tally.body);
	}
}

static void client_packet(void *ctx, struct wire *w, enum packet type, const char *data, size_t length)
{
	struct client *c = ctx;
	size_t handle = handle_of(data, length);

	(void)w;
	if (type == JOB_CREATED) {
		c->numbers[handle] = c->created++;
	} else if (type == WORK_COMPLETE) {
		const char *body = behind(data, &length);

		if (length != (size_t)c->tally.body || memcmp(body, c->body, length) != 0)
			die("reading", "an answer is not what was sent");
		tally_end(&c->tally, c->numbers[handle]);
	} else {
		die("reading", "a packet that no client expects");
	}
}

static void run(int port, int argc, char **argv)
{
	static struct client c;
	struct wire w = {0};
	struct pollfd polled;

	tally_init(&c.tally, argc, argv);
	if (c.tally.window >= HANDLES)
		die("arguments", "the window is below 131072");
	c.body = malloc((size_t)c.tally.body);
	if (!c.body)
		abort();
	memset(c.body, 'x', (size_t)c.tally.body);
	dial(&w, port);
	polled = (struct pollfd){.fd = w.fd, .events = POLLIN};
	while (c.tally.done < c.tally.jobs) {
		int64_t wait_us;

		submit_due(&c, &w);
		flush(&w);
		wait_us = tally_wait_us(&c.tally);
		if (poll(&polled, 1, wait_us < 0 ? LIMIT_MS : (int)(wait_us / 1000)) > 0)
			read_packets(&w, client_packet, &c);
		else if (wait_us < 0)
			die("waiting", "nothing for a minute");
	}
	tally_print(&c.tally, "");
}

int main(int argc, char **argv)
{
	int port = argc > 2 ? atoi(argv[1]) : 0;

	if (port && !strcmp(argv[2], "client")) {
		run(port, argc - 2, argv + 2);
	} else if (port && argc == 4 && !strcmp(argv[2], "worker") && atoi(argv[3]) > 0 && atoi(argv[3]) <= WORKERS) {
		work(port, (size_t)atoi(argv[3]));
	} else {
		fprintf(stderr, "usage: gearman PORT worker CONNECTIONS | gearman PORT client --jobs N …\n");
		return 2;
	}
	return 0;
}
