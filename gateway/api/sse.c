#include <inttypes.h>

#include "api/prompt.h"

void og_sse_data(struct og_buf *out, const struct og_chunk_at *at, const char *data, size_t len)
{
	if (at)
		og_buf_addf(out, "id: %" PRId64 ".%" PRId64 ".%" PRId64 "\n", at->attempt, at->run, at->seq);
	og_buf_adds(out, "data: ");
	og_buf_add(out, data, len);
	og_buf_adds(out, "\n\n");
}

void og_sse_event(struct og_buf *out, const char *name, const char *data, size_t len)
{
	og_buf_addf(out, "event: %s\n", name);
	og_sse_data(out, NULL, data, len);
}

void og_sse_waiting(struct og_buf *out, int64_t ahead)
{
	if (ahead < 0)
		og_buf_adds(out, ": waiting\n\n");
	else
		og_buf_addf(out, ": waiting, %" PRId64 " ahead\n\n", ahead);
}
