/* Who may have the socket is decided by a lock on <path>.lock, not by trying whether the socket answers: two processes
 * that start at once would both find it dead, and a process that hangs would seem dead. The lock goes with its
 * process, however that ends, so whoever holds it may replace the socket that a dead one left. The file itself stays:
 * to remove it would let two processes lock two files of one name.
 *
 * A connection handles one line at a time and reads on only when the answer is out, so that a caller who does not read
 * cannot make us keep answers for it. */
#include "service/control.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <utlist.h>

#include "base/alloc.h"
#include "base/buf.h"

#define LINE_CAP        (64u * 1024)
#define CONNECTIONS_MAX 32
#define BACKLOG         16

struct connection {
	uv_pipe_t pipe; /* first: a handle is its connection */
	uv_write_t write;
	struct og_control *control;
	struct og_buf in;
	char *out;                   /* the answer being written; NULL: none */
	struct og_control_ask *asks; /* a request without its answer; NULL: none */
	bool in_call;                /* the callback runs: do not close under it */
	struct connection *prev, *next;
};

struct og_control_ask {
	struct connection *asker; /* NULL: gone */
};

struct og_control {
	uv_pipe_t pipe; /* first: a handle is its server */
	char *path;
	int lock_fd;
	og_control_cb *cb;
	void *ctx;
	bool closing;
	struct connection *connections;
	unsigned n;
};

static void serve(struct connection *k);

static void free_when_empty(struct og_control *c)
{
	if (!c->closing || c->connections || c->path)
		return;
	free(c);
}

static void on_connection_closed(uv_handle_t *h)
{
	struct connection *k = (struct connection *)h;
	struct og_control *c = k->control;

	if (k->asks)
		k->asks->asker = NULL;
	DL_DELETE(c->connections, k);
	c->n--;
	og_buf_done(&k->in);
	free(k->out);
	free(k);
	free_when_empty(c);
}

static void drop(struct connection *k)
{
	if (!uv_is_closing((uv_handle_t *)&k->pipe))
		uv_close((uv_handle_t *)&k->pipe, on_connection_closed);
}

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *ret)
{
	static char room[LINE_CAP]; /* consumed before anyone else reads: one thread */

	(void)h;
	(void)suggested;
	*ret = uv_buf_init(room, sizeof(room));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct connection *k = (struct connection *)stream;

	if (n < 0) {
		drop(k);
	} else if (n > 0) {
		if (og_buf_add(&k->in, buf->base, (size_t)n) != 0) {
			drop(k); /* nobody who talks to us writes lines of that length */
			return;
		}
		serve(k);
	}
}

static void on_written(uv_write_t *w, int status)
{
	struct connection *k = w->data;

	free(OG_TAKE(k->out));
	if (status != 0 || k->control->closing)
		drop(k);
	else if (!uv_is_closing((uv_handle_t *)&k->pipe))
		serve(k);
}

static json_t *error_answer(const char *type, const char *message)
{
	return json_pack("{s:{s:s,s:s}}", "error", "type", type, "message", message);
}

static void write_answer(struct connection *k, json_t *object)
{
	uv_buf_t buf;

	k->out = json_dumps(object, JSON_COMPACT);
	if (!k->out || strlen(k->out) >= LINE_CAP) {
		free(k->out);
		object = error_answer("invalid", "the answer is longer than a line may be");
		k->out = json_dumps(object, JSON_COMPACT);
		json_decref(object);
	}
	buf = uv_buf_init(k->out, (unsigned)strlen(k->out) + 1);
	k->out[buf.len - 1] = '\n';
	k->write.data = k;
	/* What fits into the socket is written at once, so that a close right after it does not take the answer
	 * back. */
	if (uv_write(&k->write, (uv_stream_t *)&k->pipe, &buf, 1, on_written) != 0)
		drop(k);
}

void og_control_answer(struct og_control_ask *ask, json_t *answer)
{
	struct connection *k = ask->asker;

	free(ask);
	if (k) {
		k->asks = NULL;
		if (!uv_is_closing((uv_handle_t *)&k->pipe))
			write_answer(k, answer);
	}
	json_decref(answer);
}

void og_control_refuse(struct og_control_ask *ask, const struct og_error *why)
{
	og_control_answer(ask, error_answer(og_kind_name(why->kind), why->message));
}

/* One request line: its answer may come at once, or long after. */
static void ask(struct connection *k, size_t line_len)
{
	struct og_control *c = k->control;
	json_error_t why;
	json_t *request = json_loadb(k->in.data, line_len, JSON_REJECT_DUPLICATES, &why);
	const char *verb = json_string_value(json_object_get(request, "verb"));
	const struct og_error bad = {OG_INVALID, "a request is one JSON object on one line, with a \"verb\""};

	og_buf_drop_head(&k->in, line_len + 1);
	k->asks = og_new(struct og_control_ask);
	k->asks->asker = k;
	k->in_call = true;
	if (verb)
		c->cb(c->ctx, verb, request, k->asks);
	else
		og_control_refuse(k->asks, &bad);
	k->in_call = false;
	json_decref(request);
	if (c->closing)
		drop(k);
}

/* Handles a line if there is one, else reads. */
static void serve(struct connection *k)
{
	const char *end = k->in.len ? memchr(k->in.data, '\n', k->in.len) : NULL;

	if (end) {
		uv_read_stop((uv_stream_t *)&k->pipe);
		ask(k, (size_t)(end - k->in.data));
	} else {
		uv_read_start((uv_stream_t *)&k->pipe, on_alloc, on_read);
	}
}

static void on_connection(uv_stream_t *server, int status)
{
	struct og_control *c = (struct og_control *)server;
	struct connection *k;

	if (status != 0 || c->closing)
		return;
	k = og_new(struct connection);
	k->control = c;
	og_buf_init(&k->in, 2 * LINE_CAP);
	uv_pipe_init(server->loop, &k->pipe, 0);
	DL_APPEND(c->connections, k);
	c->n++;
	if (uv_accept(server, (uv_stream_t *)&k->pipe) != 0 || c->n > CONNECTIONS_MAX)
		drop(k);
	else
		serve(k);
}

static int take_lock(const char *path, int *ret, struct og_error *err)
{
	og_autofree char *name = og_printf("%s.lock", path);
	int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0)
		return og_fail(err, OG_FATAL, "cannot open %s: %s", name, strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		int e = errno;

		close(fd);
		if (e == EWOULDBLOCK)
			return og_fail(err, OG_INVALID,
				"already runs: another process has %s; stop that one, or give this one another number "
				"or name",
				path);
		return og_fail(err, OG_FATAL, "cannot lock %s: %s", name, strerror(e));
	}
	*ret = fd;
	return 0;
}

/* The mode is set before the name exists, so that there is no moment at which others could connect. */
static int bind_socket(const char *path, int *ret, struct og_error *err)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd;

	memcpy(at.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return og_fail(err, OG_FATAL, "cannot make a socket: %s", strerror(errno));
	unlink(path);
	if (fchmod(fd, 0600) != 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0 || chmod(path, 0600) != 0 ||
		listen(fd, BACKLOG) != 0) {
		og_fail(err, OG_FATAL, "cannot listen on %s: %s", path, strerror(errno));
		close(fd);
		return -1;
	}
	*ret = fd;
	return 0;
}

int og_control_listen(
	uv_loop_t *loop, const char *path, og_control_cb *cb, void *ctx, struct og_control **ret, struct og_error *err)
{
	struct og_control *c;
	int lock_fd, fd;

	if (strlen(path) >= sizeof(((struct sockaddr_un *)0)->sun_path))
		return og_fail(err, OG_INVALID,
			"%s: a socket's path is at most 107 bytes, this one has %zu: choose a shorter root", path,
			strlen(path));
	if (take_lock(path, &lock_fd, err) != 0)
		return -1;
	if (bind_socket(path, &fd, err) != 0) {
		close(lock_fd);
		return -1;
	}
	c = og_new(struct og_control);
	c->path = og_strdup(path);
	c->lock_fd = lock_fd;
	c->cb = cb;
	c->ctx = ctx;
	uv_pipe_init(loop, &c->pipe, 0);
	uv_pipe_open(&c->pipe, fd);
	uv_listen((uv_stream_t *)&c->pipe, BACKLOG, on_connection);
	*ret = c;
	return 0;
}

static void on_server_closed(uv_handle_t *h)
{
	struct og_control *c = (struct og_control *)h;

	free(OG_TAKE(c->path));
	free_when_empty(c);
}

void og_control_close(struct og_control *c)
{
	struct connection *k;

	if (!c || c->closing)
		return;
	c->closing = true;
	unlink(c->path);
	close(c->lock_fd);
	DL_FOREACH(c->connections, k)
	{
		if (!k->in_call)
			drop(k);
	}
	uv_close((uv_handle_t *)&c->pipe, on_server_closed);
}
