/* The answer, as its handler makes it: what goes out is call.c's, which gives it to libmicrohttpd. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "base/log.h"
#include "web/web_state.h"

void og_web_set_header(struct og_web_call *c, const char *name, const char *value)
{
	og_autofree char *line = og_strdup(value);
	char *to = line;

	for (const char *from = value; *from; from++)
		if ((unsigned char)*from >= ' ' && *from != 0x7f)
			*to++ = *from;
	*to = '\0';
	if (og_buf_add(&c->headers, name, strlen(name) + 1) == 0 && og_buf_add(&c->headers, line, strlen(line) + 1) < 0)
		c->headers.len -= strlen(name) + 1;
}

void og_web_reply_owned(struct og_web_call *c, int status, const char *content_type, char *body, size_t len)
{
	c->status = status;
	c->sent = len;
	c->content_type = og_strdup(content_type);
	c->response = MHD_create_response_from_buffer(len, body, MHD_RESPMEM_MUST_FREE);
	c->phase = OG_WEB_ANSWERS;
	og_web_resume(c);
}

void og_web_reply_file(struct og_web_call *c, int status, const char *content_type, int fd, int64_t size)
{
	c->status = status;
	c->sent = (uint64_t)size;
	c->content_type = og_strdup(content_type);
	c->response = MHD_create_response_from_fd64((uint64_t)size, fd);
	c->phase = OG_WEB_ANSWERS;
	og_web_resume(c);
}

void og_web_reply(struct og_web_call *c, int status, const char *content_type, const char *body, size_t len)
{
	og_web_reply_owned(c, status, content_type, og_memdup(body, len ? len : 1), len);
}

void og_web_stream(struct og_web_call *c, int status, const char *content_type)
{
	c->status = status;
	c->content_type = og_strdup(content_type);
	c->phase = OG_WEB_STREAMS;
	og_web_resume(c);
}

int og_web_write(struct og_web_call *c, const char *data, size_t len)
{
	if (c->sent_of_out > c->out.len / 2) {
		og_buf_drop_head(&c->out, c->sent_of_out);
		c->sent_of_out = 0;
	}
	if (og_buf_add(&c->out, data, len) < 0) {
		og_web_cut(c);
		return -1;
	}
	og_web_resume(c);
	return 0;
}

void og_web_end(struct og_web_call *c)
{
	c->phase = OG_WEB_DRAINS;
	og_web_resume(c);
}

/* The connection may be waiting for a reader that takes nothing: then only the socket's end wakes it. */
void og_web_cut(struct og_web_call *c)
{
	c->phase = OG_WEB_CUT;
	c->lost = true;
	if (c->suspended)
		og_web_resume(c);
	else if (c->on)
		shutdown(c->on->fd, SHUT_RDWR);
}

void og_web_on_gone(struct og_web_call *c, void (*cb)(void *ctx), void *ctx)
{
	c->on_gone = cb;
	c->gone_ctx = ctx;
}

/* ── for the access log ── */

void og_web_note(struct og_web_call *c, const char *key, const char *value)
{
	char quoted[512];

	if (value && *value)
		og_buf_addf(&c->notes, " %s=%s", key,
			value[strcspn(value, " \"\\=\t\r\n")] ? og_log_quote(value, quoted, sizeof(quoted)) : value);
}

void og_web_note_number(struct og_web_call *c, const char *key, int64_t value)
{
	og_buf_addf(&c->notes, " %s=%lld", key, (long long)value);
}

const char *og_web_notes(const struct og_web_call *c)
{
	return og_buf_str(&c->notes);
}

int og_web_status(const struct og_web_call *c)
{
	return c->status;
}

uint64_t og_web_sent(const struct og_web_call *c)
{
	return c->sent;
}

bool og_web_was_cut(const struct og_web_call *c)
{
	return c->lost;
}
