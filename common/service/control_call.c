/* The caller's end: blocking, with one deadline for all of it, because the callers are command-line verbs. Whoever cannot be
 * reached does not run; whoever was reached and gave no answer does, or did a moment ago: callers must not mistake the one for
 * the other, so each has its kind. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "service/service.h"

#define ANSWER_CAP (64u * 1024)

static int dial(const char *path, struct og_error *err)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int fd;

	if (strlen(path) >= sizeof(to.sun_path))
		return og_fail(err, OG_INVALID, "%s: longer than the 107 bytes of a socket's path", path);
	memcpy(to.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return og_fail(err, OG_FATAL, "cannot make a socket: %s", strerror(errno));
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0) {
		og_fail(err, OG_RETRY, "nothing answers at %s: %s", path, strerror(errno));
		close(fd);
		return -1;
	}
	return fd;
}

static int wait_for(int fd, short events, int64_t deadline, struct og_error *err)
{
	for (;;) {
		int64_t left = deadline - og_clock_mono_ms();
		struct pollfd p = {.fd = fd, .events = events};
		int n;

		if (left <= 0)
			return og_fail(err, OG_BUSY, "no answer in time");
		n = poll(&p, 1, left > 60000 ? 60000 : (int)left);
		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return og_fail(err, OG_FATAL, "poll: %s", strerror(errno));
	}
}

static int send_line(int fd, const json_t *request, int64_t deadline, struct og_error *err)
{
	og_autofree char *text = json_dumps(request, JSON_COMPACT);
	size_t len = text ? strlen(text) : 0, done = 0;

	if (!len || len >= ANSWER_CAP)
		return og_fail(err, OG_INVALID, "a request is a JSON object of less than 64 KiB");
	text[len++] = '\n';
	while (done < len) {
		ssize_t n;

		if (wait_for(fd, POLLOUT, deadline, err) != 0)
			return -1;
		n = send(fd, text + done, len - done, MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return og_fail(err, OG_BUSY, "the other end went away: %s", strerror(errno));
		if (n > 0)
			done += (size_t)n;
	}
	return 0;
}

static int read_line(int fd, struct og_buf *line, int64_t deadline, struct og_error *err)
{
	while (!line->len || line->data[line->len - 1] != '\n') {
		char part[4096];
		ssize_t n;

		if (wait_for(fd, POLLIN, deadline, err) != 0)
			return -1;
		n = read(fd, part, sizeof(part));
		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
			return og_fail(err, OG_BUSY, "the other end went away without an answer");
		if (n > 0 && og_buf_add(line, part, (size_t)n) != 0)
			return og_fail(err, OG_FATAL, "the answer is longer than 64 KiB");
	}
	return 0;
}

static int exchange(int fd, const json_t *request, int64_t deadline, json_t **ret, struct og_error *err)
{
	struct og_buf line;
	json_error_t why;
	json_t *answer = NULL;
	int rc = -1;

	og_buf_init(&line, ANSWER_CAP);
	if (send_line(fd, request, deadline, err) == 0 && read_line(fd, &line, deadline, err) == 0) {
		answer = json_loadb(line.data, line.len, 0, &why);
		if (json_is_object(answer)) {
			*ret = OG_TAKE(answer);
			rc = 0;
		} else {
			og_fail(err, OG_FATAL, "the answer is not a JSON object: %s", why.text);
		}
	}
	json_decref(answer);
	og_buf_done(&line);
	return rc;
}

int og_control_call(const char *path, const json_t *request, int64_t timeout_ms, json_t **ret, struct og_error *err)
{
	int64_t deadline = og_clock_mono_ms() + timeout_ms;
	int fd = dial(path, err), rc;

	if (fd < 0)
		return -1;
	rc = exchange(fd, request, deadline, ret, err);
	close(fd);
	return rc == 0 ? 0 : og_fail_in(err, "%s", path);
}
