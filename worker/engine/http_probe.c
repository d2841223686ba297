/* What an engine serves: the dialect's questions, asked in turn. */
#include <stdlib.h>

#include "base/alloc.h"
#include "engine/http_engine.h"

#define PROBE_MS  10000
#define PROBE_CAP (4u * 1024 * 1024)

struct og_http_probe {
	og_engine_probe_cb *cb;
	void *ctx;
	struct og_http_call *call;
	size_t step;
	int status;
	struct og_buf body;
	struct og_serves serves;
};

static int probe_next(struct og_http_engine *e, struct og_error *err);

static void probe_end(struct og_http_engine *e, const struct og_error *why)
{
	struct og_http_probe *p = e->probe;

	e->probe = NULL;
	p->cb(p->ctx, why ? NULL : &p->serves, why);
	og_buf_done(&p->body);
	free(p);
}

static void on_probe_status(void *ctx, int status, const char *content_type)
{
	struct og_http_engine *e = ctx;

	(void)content_type;
	e->probe->status = status;
}

static int on_probe_body(void *ctx, const char *data, size_t len)
{
	struct og_http_engine *e = ctx;

	return og_buf_add(&e->probe->body, data, len);
}

static int read_step(struct og_http_engine *e, struct og_error *err)
{
	struct og_http_probe *p = e->probe;
	bool refused = p->status >= 400 && p->status < 500;
	char words[OG_ENGINE_WORDS_MAX];
	json_t *body = NULL;
	int rc;

	if (p->status != 200 && !(refused && e->dialect->probe[p->step].optional)) {
		og_http_refusal_words(&p->body, words, sizeof(words));
		return og_fail(err, OG_RETRY, "it answers %d to GET %s: %s", p->status, e->dialect->probe[p->step].path,
			words);
	}
	if (p->status == 200)
		body = json_loadb(og_buf_str(&p->body), p->body.len, 0, NULL);
	rc = e->dialect->probed(p->step++, body, &p->serves, err);
	json_decref(body);
	return rc;
}

static void on_probe_end(void *ctx, int status, const struct og_error *why)
{
	struct og_http_engine *e = ctx;
	struct og_error err = {0};

	(void)status;
	e->probe->call = NULL;
	if (why)
		err = *why;
	else if (read_step(e, &err) == 0)
		probe_next(e, &err);
	if (err.kind) {
		og_fail_in(&err, "the engine at %s does not serve", e->root);
		probe_end(e, &err);
	}
}

/* Asks the next question, or ends the probe after the last one. */
static int probe_next(struct og_http_engine *e, struct og_error *err)
{
	const struct og_http_limits limits = {
		.connect_ms = e->limits.connect_ms, .total_ms = PROBE_MS, .body_cap = PROBE_CAP};
	const struct og_http_handler handler = {
		.on_status = on_probe_status, .on_body = on_probe_body, .on_end = on_probe_end, .ctx = e};
	struct og_http_probe *p = e->probe;
	const char *path = p->step < OG_PROBE_STEPS_MAX ? e->dialect->probe[p->step].path : NULL;
	og_autofree char *url = NULL;

	if (!path) {
		probe_end(e, NULL);
		return 0;
	}
	url = og_printf("%s%s", e->dialect->probe[p->step].below_api ? e->api : e->root, path);
	p->status = 0;
	og_buf_clear(&p->body);
	p->call = og_http_engine_ask(e, "GET", url, NULL, NULL, &limits, &handler, err);
	return p->call ? 0 : -1;
}

void og_http_probe_drop(struct og_http_engine *e)
{
	struct og_http_probe *p = e->probe;

	if (!p)
		return;
	if (p->call)
		og_http_cancel(e->http, p->call);
	og_buf_done(&p->body);
	free(p);
	e->probe = NULL;
}

int og_http_engine_probe(struct og_engine *engine, og_engine_probe_cb *cb, void *ctx, struct og_error *err)
{
	struct og_http_engine *e = (struct og_http_engine *)engine;

	og_http_probe_drop(e);
	e->probe = og_new(struct og_http_probe);
	e->probe->cb = cb;
	e->probe->ctx = ctx;
	og_buf_init(&e->probe->body, PROBE_CAP);
	if (probe_next(e, err) == 0)
		return 0;
	og_http_probe_drop(e);
	return -1;
}
