#include <stdlib.h>

#include "base/buf.h"
#include "io/http.h"

#define BODY_CAP ((size_t)64 << 20)

struct fetch {
	struct og_http *http;
	struct og_buf body;
	struct og_error err;
	int status;
};

static int on_body(void *ctx, const char *data, size_t len)
{
	return og_buf_add(&((struct fetch *)ctx)->body, data, len);
}

static void on_end(void *ctx, int status, const struct og_error *err)
{
	struct fetch *f = ctx;

	f->status = status;
	if (err)
		f->err = *err;
	og_http_close(f->http, NULL, NULL);
}

int og_http_fetch(
	const struct og_http_request *request, int *ret_status, char **ret_body, size_t *ret_len, struct og_error *err)
{
	struct fetch f = {0};
	const struct og_http_handler handler = {.on_body = on_body, .on_end = on_end, .ctx = &f};
	struct og_http_request capped = *request;
	uv_loop_t loop;

	if (!capped.limits.body_cap)
		capped.limits.body_cap = BODY_CAP;
	og_buf_init(&f.body, capped.limits.body_cap);
	if (uv_loop_init(&loop) < 0)
		return og_fail(err, OG_FATAL, "no event loop: too many open files?");
	f.http = og_http_open(&loop, &f.err);
	if (f.http && !og_http_start(f.http, &capped, &handler, &f.err))
		og_http_close(f.http, NULL, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	uv_loop_close(&loop);
	if (f.err.kind) {
		og_buf_done(&f.body);
		return og_fail(err, f.err.kind, "%s", f.err.message);
	}
	*ret_status = f.status;
	*ret_len = f.body.len;
	*ret_body = og_buf_take(&f.body);
	return 0;
}
