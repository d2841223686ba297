/* What the parts of an engine over HTTP share: http_engine.c (opening, closing, asking), http_probe.c, http_run.c. */
#ifndef OG_WORKER_HTTP_ENGINE_H
#define OG_WORKER_HTTP_ENGINE_H

#include "base/buf.h"
#include "engine/dialect.h"

struct og_http_probe;

struct og_http_engine {
	struct og_engine base;
	const struct og_dialect *dialect;
	struct og_http *http;
	char *root, *api; /* the server's URL, and the API's; neither ends in a slash */
	char *auth;       /* header; NULL: none */
	struct og_http_limits limits;
	struct og_http_probe *probe; /* under way; NULL: none */
	struct og_engine_run *runs;
};

/* A request with our headers; `body` NULL: none; `more`: further ones, up to two, NULL-terminated; NULL: none. */
struct og_http_call *og_http_engine_ask(struct og_http_engine *e, const char *method, const char *url, const char *body,
	const char *const *more, const struct og_http_limits *limits, const struct og_http_handler *handler,
	struct og_error *err);
/* What an answer that is no stream says, for people. */
void og_http_refusal_words(const struct og_buf *body, char *words, size_t size);
void og_http_probe_drop(struct og_http_engine *e);

#endif
