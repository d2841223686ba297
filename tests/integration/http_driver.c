/* Drives one HTTP client for test_http.py: commands are lines of words on stdin, events are JSON objects, one a line.
 *
 *   start ID METHOD URL [OPTION=VALUE…]   connect, first, idle, total (ms), cap (bytes), size (of a body of x), unix,
 *                                         user, password, loopback (no: it may not be connected to)
 *   cancel ID
 *   gap      {"event":"gap","ms":…}: the widest gap of a 10 ms tick since the last `gap`
 *   close    {"event":"closed"}, and the program ends when nothing is left on the loop
 *
 * Unasked, each with "id" and "ms" (since the start): {"event":"status","status":…,"type":…},
 * {"event":"body","bytes":…} (the sum so far), {"event":"end","status":…,"bytes":…,"begins":…,"kind":…,"message":…}. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "driver.h"
#include "io/http.h"

#define CALLS 64

struct call {
	struct og_http_call *handle;
	int64_t started;
	size_t bytes;
	char begins[64]; /* the first bytes of the body */
};

static struct og_http *http;
static struct call calls[CALLS];

static void call_event(const struct call *c, const char *name, json_t *more)
{
	json_t *object = json_pack(
		"{sssisI}", "event", name, "id", (int)(c - calls), "ms", (json_int_t)(og_clock_mono_ms() - c->started));

	json_object_update_missing(object, more);
	json_decref(more);
	event(object);
}

static void on_status(void *ctx, int status, const char *content_type)
{
	call_event(ctx, "status", json_pack("{siss}", "status", status, "type", content_type));
}

static int on_body(void *ctx, const char *data, size_t len)
{
	struct call *c = ctx;

	for (size_t i = 0; i < len && c->bytes + i < sizeof(c->begins) - 1; i++)
		c->begins[c->bytes + i] = data[i];
	c->bytes += len;
	call_event(c, "body", json_pack("{sI}", "bytes", (json_int_t)c->bytes));
	return 0;
}

static void on_end(void *ctx, int status, const struct og_error *err)
{
	struct call *c = ctx;

	call_event(c, "end",
		json_pack("{sisIssssss}", "status", status, "bytes", (json_int_t)c->bytes, "begins", c->begins, "kind",
			og_kind_name(err ? err->kind : 0), "message", err ? err->message : ""));
}

static bool is_elsewhere(const struct sockaddr *address)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)address;

	return address->sa_family == AF_INET && ntohl(in->sin_addr.s_addr) >> 24 != 127;
}

static void set_option(struct og_http_request *r, const char *name, const char *value)
{
	int64_t n = atoll(value);

	if (strcmp(name, "connect") == 0)
		r->limits.connect_ms = n;
	else if (strcmp(name, "first") == 0)
		r->limits.first_byte_ms = n;
	else if (strcmp(name, "idle") == 0)
		r->limits.idle_ms = n;
	else if (strcmp(name, "total") == 0)
		r->limits.total_ms = n;
	else if (strcmp(name, "cap") == 0)
		r->limits.body_cap = (size_t)n;
	else if (strcmp(name, "size") == 0)
		r->body_len = (size_t)n;
	else if (strcmp(name, "unix") == 0)
		r->unix_socket = value;
	else if (strcmp(name, "loopback") == 0)
		r->may_connect = strcmp(value, "no") == 0 ? is_elsewhere : NULL;
	else if (strcmp(name, "user") == 0)
		r->user = value;
	else if (strcmp(name, "password") == 0)
		r->password = value;
	else
		exit(2);
}

static void start(int n, char **words)
{
	struct call *c = &calls[atoi(words[1]) % CALLS];
	const struct og_http_handler handler = {on_status, on_body, on_end, c};
	struct og_http_request r = {.method = words[2], .url = words[3]};
	og_autofree char *body = NULL;
	struct og_error err = {0};

	for (int i = 4; i < n; i++) {
		char *value = strchr(words[i], '=');

		*value++ = '\0';
		set_option(&r, words[i], value);
	}
	body = og_alloc(r.body_len);
	memset(body, 'x', r.body_len);
	r.body = body;
	*c = (struct call){.started = og_clock_mono_ms()};
	c->handle = og_http_start(http, &r, &handler, &err);
	if (!c->handle)
		call_event(c, "end", json_pack("{ssss}", "kind", og_kind_name(err.kind), "message", err.message));
}

static void on_closed(void *ctx)
{
	(void)ctx;
	event(json_pack("{ss}", "event", "closed"));
	driver_end();
}

static void on_command(char *text, size_t len)
{
	char *words[16];
	int n = 0;

	(void)len;
	for (char *w = strtok(text, " "); w && n < 16; w = strtok(NULL, " "))
		words[n++] = w;
	if (n >= 4 && strcmp(words[0], "start") == 0) {
		start(n, words);
	} else if (n == 2 && strcmp(words[0], "cancel") == 0) {
		og_http_cancel(http, calls[atoi(words[1]) % CALLS].handle);
	} else if (n == 1 && strcmp(words[0], "gap") == 0) {
		driver_tell_gap();
	} else if (n == 1 && strcmp(words[0], "close") == 0) {
		og_http_close(http, on_closed, NULL);
	} else {
		fprintf(stderr, "http_driver: what is \"%s\"?\n", n ? words[0] : "");
		exit(2);
	}
}

int main(void)
{
	struct og_error err = {0};

	driver_begin(on_command, NULL);
	driver_watch_gaps();
	http = og_http_open(&driver.loop, &err);
	if (!http) {
		fprintf(stderr, "http_driver: %s\n", err.message);
		return 1;
	}
	return driver_run();
}
