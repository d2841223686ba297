/* The stream of an engine, cut anywhere: however it is cut, the same events must come of it. The first byte of the
 * input chooses the framing, the second where to cut. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "io/sse.h"

#define CAP 256

static int note(void *ctx, const struct og_sse_event *e)
{
	struct og_buf *seen = ctx;

	if (e->len > CAP || e->data[e->len] != '\0')
		abort();
	og_buf_adds(seen, e->event);
	og_buf_adds(seen, e->id);
	og_buf_add(seen, e->data, e->len + 1);
	return 0;
}

static int parse(enum og_sse_framing framing, const char *bytes, size_t len, size_t cut, struct og_buf *seen)
{
	struct og_sse s;
	int status;

	og_buf_init(seen, SIZE_MAX / 2);
	og_sse_init(&s, framing, CAP, note, seen);
	status = og_sse_push(&s, bytes, cut, NULL);
	if (status == 0)
		status = og_sse_push(&s, bytes + cut, len - cut, NULL);
	if (status == 0)
		status = og_sse_end(&s, NULL);
	og_sse_done(&s);
	return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct og_buf whole, cut;
	enum og_sse_framing framing;
	const char *bytes = (const char *)data + 2;
	size_t len = size - 2;

	if (size < 2)
		return 0;
	framing = data[0] & 1 ? OG_SSE_LINES : OG_SSE_EVENTS;
	if (parse(framing, bytes, len, 0, &whole) != parse(framing, bytes, len, data[1] * len / 255, &cut))
		abort();
	if (whole.len != cut.len || (whole.len && memcmp(whole.data, cut.data, whole.len) != 0))
		abort();
	og_buf_done(&whole);
	og_buf_done(&cut);
	return 0;
}
