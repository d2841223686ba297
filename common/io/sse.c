#include "io/sse.h"

#include <string.h>

static const char bom[] = "\xef\xbb\xbf";

void og_sse_init(struct og_sse *s, enum og_sse_framing framing, size_t cap, og_sse_cb *cb, void *ctx)
{
	*s = (struct og_sse){.framing = framing, .cb = cb, .ctx = ctx};
	og_buf_init(&s->line, cap);
	og_buf_init(&s->data, cap + 1); /* each data line is kept with its \n, the last of which is cut off */
	og_buf_init(&s->event, cap);
	og_buf_init(&s->id, cap);
}

void og_sse_done(struct og_sse *s)
{
	og_buf_done(&s->line);
	og_buf_done(&s->data);
	og_buf_done(&s->event);
	og_buf_done(&s->id);
}

static int too_long(const struct og_sse *s, struct og_error *err)
{
	return og_fail(err, OG_INVALID, "the stream holds a line or an event of more than %zu bytes", s->line.cap);
}

/* -1: stopped, and `s` may be gone. */
static int give(struct og_sse *s, const char *data, size_t len, struct og_error *err)
{
	struct og_sse_event e = {.event = og_buf_str(&s->event), .id = og_buf_str(&s->id), .data = data, .len = len};

	return s->cb(s->ctx, &e) == 0 ? 0 : og_fail(err, OG_INVALID, "stopped by the reader");
}

/* An empty line: the event is whole. */
static int dispatch(struct og_sse *s, struct og_error *err)
{
	if (s->had_data) {
		s->data.data[--s->data.len] = '\0';
		if (give(s, s->data.data, s->data.len, err) < 0)
			return -1;
	}
	og_buf_clear(&s->data);
	og_buf_clear(&s->event);
	s->had_data = false;
	return 0;
}

static bool is_field(const char *line, size_t len, const char *name)
{
	return len == strlen(name) && memcmp(line, name, len) == 0;
}

static int replace(struct og_buf *b, const char *value, size_t len)
{
	og_buf_clear(b);
	return og_buf_add(b, value, len);
}

static int event_line(struct og_sse *s, const char *line, size_t len, struct og_error *err)
{
	const char *colon = memchr(line, ':', len), *value;
	size_t name_len = colon ? (size_t)(colon - line) : len, value_len;

	if (!len)
		return dispatch(s, err);
	value = colon ? colon + 1 : line + len;
	if (value < line + len && *value == ' ')
		value++;
	value_len = (size_t)(line + len - value);
	if (is_field(line, name_len, "data")) {
		s->had_data = true;
		if (og_buf_add(&s->data, value, value_len) < 0 || og_buf_adds(&s->data, "\n") < 0)
			return too_long(s, err);
	} else if (is_field(line, name_len, "event")) {
		replace(&s->event, value, value_len); /* fits: a line has the same cap */
	} else if (is_field(line, name_len, "id") && !memchr(value, '\0', value_len)) {
		replace(&s->id, value, value_len);
	}
	return 0;
}

static int end_line(struct og_sse *s, struct og_error *err)
{
	const char *line = og_buf_str(&s->line);
	size_t len = s->line.len;

	if (!s->started && len >= strlen(bom) && memcmp(line, bom, strlen(bom)) == 0) {
		line += strlen(bom);
		len -= strlen(bom);
	}
	s->started = true;
	if (s->framing == OG_SSE_EVENTS) {
		if (event_line(s, line, len, err) < 0)
			return -1;
	} else {
		if (len && line[len - 1] == '\r')
			s->line.data[--s->line.len] = '\0', len--;
		if (len && give(s, line, len, err) < 0)
			return -1;
	}
	og_buf_clear(&s->line);
	return 0;
}

static const char *find_line_end(const struct og_sse *s, const char *bytes, size_t len)
{
	const char *lf = memchr(bytes, '\n', len);
	const char *cr = NULL;

	if (s->framing == OG_SSE_EVENTS)
		cr = memchr(bytes, '\r', lf ? (size_t)(lf - bytes) : len);
	return cr ? cr : lf;
}

int og_sse_push(struct og_sse *s, const char *bytes, size_t len, struct og_error *err)
{
	const char *const stop = bytes + len;

	while (bytes < stop) {
		const char *end;

		if (s->after_cr) {
			s->after_cr = false;
			if (*bytes == '\n') {
				bytes++;
				continue;
			}
		}
		end = find_line_end(s, bytes, (size_t)(stop - bytes));
		if (og_buf_add(&s->line, bytes, (size_t)((end ? end : stop) - bytes)) < 0)
			return too_long(s, err);
		if (!end)
			return 0;
		s->after_cr = *end == '\r';
		bytes = end + 1;
		if (end_line(s, err) < 0)
			return -1;
	}
	return 0;
}

int og_sse_end(struct og_sse *s, struct og_error *err)
{
	if (s->line.len && end_line(s, err) < 0)
		return -1;
	return s->framing == OG_SSE_EVENTS ? dispatch(s, err) : 0;
}
