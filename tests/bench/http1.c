#include "http1.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define HEAD_MAX 65536
#define LINE_MAX 1024

void http1_init(struct http1 *h, http1_body_cb *on_body, void *arg)
{
	*h = (struct http1){.on_body = on_body, .arg = arg};
	og_buf_init(&h->head, HEAD_MAX);
}

void http1_done(struct http1 *h)
{
	og_buf_done(&h->head);
}

const char *http1_line(const struct http1 *h)
{
	return og_buf_str(&h->head);
}

/* Whether `line` is the header `name` (with its colon); *ret_value is what follows. */
static bool is_header(const char *line, const char *name, const char **ret_value)
{
	size_t len = strlen(name);

	if (strncasecmp(line, name, len) != 0)
		return false;
	*ret_value = line + len + strspn(line + len, " ");
	return true;
}

/* What the head says of the body; -1: nothing that could be believed. */
static int read_head(struct http1 *h)
{
	const char *value, *line = h->head.data;
	bool length = false, chunked = false, answer = strncmp(line, "HTTP/1.", 7) == 0;

	h->status = answer ? atoi(line + 9) : 0;
	h->closes = false;
	h->left = 0;
	while ((line = strstr(line, "\r\n"))) {
		line += 2;
		if (is_header(line, "content-length:", &value)) {
			length = true;
			h->left = strtoll(value, NULL, 10);
		} else if (is_header(line, "transfer-encoding:", &value)) {
			chunked = strncasecmp(value, "chunked", 7) == 0;
		} else if (is_header(line, "connection:", &value)) {
			h->closes = strncasecmp(value, "close", 5) == 0;
		}
	}
	h->head_over = true;
	h->state = chunked ? HTTP1_CHUNK_SIZE : HTTP1_BODY;
	return answer && !chunked && !length ? -1 : 0;
}

/* Moves what belongs to the head; *ret_used is how much. 1: it is whole. */
static int take_head(struct http1 *h, const char *data, size_t len, size_t *ret_used)
{
	size_t had = h->head.len, from = had > 3 ? had - 3 : 0;
	const char *end;

	if (og_buf_add(&h->head, data, len) < 0)
		return -1;
	end = memmem(h->head.data + from, h->head.len - from, "\r\n\r\n", 4);
	*ret_used = end ? (size_t)(end + 4 - h->head.data) - had : len;
	if (!end)
		return 0;
	h->head.len = had + *ret_used;
	h->head.data[h->head.len] = '\0';
	return read_head(h) < 0 ? -1 : 1;
}

/* A line of the chunks' framing, kept behind the head. 1: it is whole, and is *ret_line until the next call. */
static int take_line(
	struct http1 *h, size_t head, const char *data, size_t len, size_t *ret_used, const char **ret_line)
{
	const char *end = memchr(data, '\n', len);

	*ret_used = end ? (size_t)(end + 1 - data) : len;
	if (h->head.len - head + *ret_used > LINE_MAX || og_buf_add(&h->head, data, *ret_used) < 0)
		return -1;
	if (!end)
		return 0;
	*ret_line = h->head.data + head;
	h->head.len = head;
	return 1;
}

static size_t head_len(const struct http1 *h)
{
	return (size_t)((char *)memmem(h->head.data, h->head.len, "\r\n\r\n", 4) + 4 - h->head.data);
}

static size_t take_body(struct http1 *h, const char *data, size_t len)
{
	size_t n = (int64_t)len < h->left ? len : (size_t)h->left;

	if (n > 0)
		h->on_body(h->arg, data, n);
	h->left -= (int64_t)n;
	return n;
}

/* A step of the framing of chunks. 1: the message has ended. */
static int take_chunked(struct http1 *h, const char *data, size_t len, size_t *ret_used)
{
	const char *line = NULL;
	int rc;

	if (h->state == HTTP1_CHUNK) {
		*ret_used = take_body(h, data, len);
		h->state = h->left > 0 ? HTTP1_CHUNK : HTTP1_CHUNK_END;
		return 0;
	}
	rc = take_line(h, head_len(h), data, len, ret_used, &line);
	if (rc <= 0)
		return rc;
	if (h->state == HTTP1_TRAILER)
		return line[0] == '\r' || line[0] == '\n';
	if (h->state == HTTP1_CHUNK_END) {
		h->state = HTTP1_CHUNK_SIZE;
		return 0;
	}
	h->left = strtoll(line, NULL, 16);
	h->state = h->left > 0 ? HTTP1_CHUNK : HTTP1_TRAILER;
	return h->left < 0 ? -1 : 0;
}

int http1_read(struct http1 *h, const char *data, size_t len, size_t *ret_used)
{
	size_t used = 0;
	int rc = 0;

	if (h->state == HTTP1_HEAD && h->head_over) {
		h->head_over = false;
		og_buf_clear(&h->head);
	}
	while (rc == 0 && (used < len || (h->state == HTTP1_BODY && h->left == 0))) {
		size_t n = 0;

		if (h->state == HTTP1_HEAD) {
			rc = take_head(h, data + used, len - used, &n);
			rc = rc < 0 ? -1 : 0;
		} else if (h->state == HTTP1_BODY) {
			n = take_body(h, data + used, len - used);
			rc = h->left == 0;
		} else {
			rc = take_chunked(h, data + used, len - used, &n);
		}
		used += n;
	}
	*ret_used = used;
	if (rc == 1)
		h->state = HTTP1_HEAD;
	return rc;
}
