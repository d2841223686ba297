/* An engine asked over HTTP: the probe's questions in turn, and one POST a run whose streamed answer is read by the dialect.
 *
 * A run is told its end as soon as the engine says that nothing follows. Its call is left to end by itself, so that the
 * connection can be used again; an engine that keeps it open holds nobody up. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "engine/stream.h"

#define KEY_CAP        8192
#define PROBE_MS       10000
#define PROBE_CAP      (4u * 1024 * 1024)
#define ERROR_CAP      (16u * 1024)
#define ANSWER_CAP     (512u * 1024 * 1024) /* bytes of a stream: every token comes in some 300 bytes of JSON */
#define TIMER_SLACK_MS 20                   /* a time-out may fire so much before our clock says that it is due */

struct probe {
	og_engine_probe_cb *cb; /* NULL: none under way */
	void *ctx;
	struct og_http_call *call;
	size_t step;
	int status;
	struct og_buf body;
	struct og_serves serves;
};

struct http_engine {
	struct og_engine base;
	const struct og_dialect *dialect;
	struct og_http *http;
	char *root, *api; /* the server's URL, and the API's; neither ends in a slash */
	char *auth;       /* header; NULL: none */
	struct og_http_limits limits;
	struct probe *probe;
	struct og_engine_run *runs;
};

struct og_engine_run {
	struct http_engine *engine;
	struct og_http_call *call;
	struct og_engine_stream stream;
	struct og_engine_sink sink;
	struct og_http_limits limits;
	int64_t started_ms, last_byte_ms; /* monotonic; last_byte 0: none yet */
	int status;
	struct og_buf refusal; /* the body of an answer that is no stream */
	bool told;
	struct og_engine_run *next, *prev;
};

static const char *const json_headers[] = {"Content-Type: application/json", NULL};

static int read_key(const char *path, char **ret, struct og_error *err)
{
	og_autofree char *text = NULL;
	size_t len;

	if (!path || !*path)
		return 0;
	if (og_file_read(path, KEY_CAP, &text, &len, err) < 0)
		return og_fail_in(err, "engine.key_file");
	while (len && isspace((unsigned char)text[len - 1]))
		text[--len] = '\0';
	if (!len || strpbrk(text, "\r\n"))
		return og_fail(err, OG_FATAL, "engine.key_file: %s does not hold one key", path);
	*ret = og_printf("Authorization: Bearer %s", text);
	return 0;
}

/* "http://host:8080/v1/" is the root http://host:8080 with the API at /v1: both ways to write an engine's address are in use. */
static void split_url(const char *url, const char *api, char **ret_root, char **ret_api)
{
	og_autofree char *root = og_strdup(url);
	size_t len = strlen(root);
	char *last;

	while (len && root[len - 1] == '/')
		root[--len] = '\0';
	last = strrchr(root, '/');
	if (*api && last && last[1] == 'v' && last[2] && strspn(last + 2, "0123456789") == strlen(last + 2)) {
		*ret_api = og_strdup(root);
		*last = '\0';
	} else {
		*ret_api = og_printf("%s%s", root, api);
	}
	*ret_root = OG_TAKE(root);
}

struct og_engine *og_http_engine_open(const struct og_engine_ops *ops, const struct og_dialect *dialect,
	struct og_http *http, const struct og_engine_config *config, struct og_error *err)
{
	struct http_engine *e;
	char *auth = NULL;

	if (!config->url || !*config->url) {
		og_fail(err, OG_FATAL,
			"engine.url (OG_ENGINE_URL) is empty: say where the engine listens, as in "
			"http://127.0.0.1:8080");
		return NULL;
	}
	if (read_key(config->key_file, &auth, err) < 0)
		return NULL;
	e = og_new(struct http_engine);
	e->base.ops = ops;
	e->dialect = dialect;
	e->http = http;
	e->auth = auth;
	e->limits = config->limits;
	e->limits.body_cap = ANSWER_CAP;
	split_url(config->url, dialect->api, &e->root, &e->api);
	return &e->base;
}

static struct og_http_call *ask(struct http_engine *e, const char *method, const char *url, const char *body,
	const struct og_http_limits *limits, const struct og_http_handler *handler, struct og_error *err)
{
	const char *headers[OG_COUNT(json_headers) + 1] = {json_headers[0], e->auth, NULL};
	const struct og_http_request request = {
		.method = method,
		.url = url,
		.headers = body ? headers : headers + 1,
		.body = body,
		.body_len = body ? strlen(body) : 0,
		.limits = *limits,
	};

	return og_http_start(e->http, &request, handler, err);
}

/* What an answer that is no stream says, for people. */
static void refusal_words(const struct og_buf *body, char *words, size_t size)
{
	json_t *json = body->len ? json_loadb(body->data, body->len, JSON_ALLOW_NUL, NULL) : NULL;

	if (!og_dialect_words(json, words, size))
		snprintf(words, size, "no words");
	json_decref(json);
}

/* ---- the probe ---- */

static int probe_next(struct http_engine *e, struct og_error *err);

static void probe_end(struct http_engine *e, const struct og_error *why)
{
	struct probe *p = e->probe;

	e->probe = NULL;
	p->cb(p->ctx, why ? NULL : &p->serves, why);
	og_buf_done(&p->body);
	free(p);
}

static void on_probe_status(void *ctx, int status, const char *content_type)
{
	struct http_engine *e = ctx;

	(void)content_type;
	e->probe->status = status;
}

static int on_probe_body(void *ctx, const char *data, size_t len)
{
	struct http_engine *e = ctx;

	return og_buf_add(&e->probe->body, data, len);
}

static int read_step(struct http_engine *e, struct og_error *err)
{
	struct probe *p = e->probe;
	bool refused = p->status >= 400 && p->status < 500;
	char words[OG_ENGINE_WORDS_MAX];
	json_t *body = NULL;
	int rc;

	if (p->status != 200 && !(refused && e->dialect->probe[p->step].optional)) {
		refusal_words(&p->body, words, sizeof(words));
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
	struct http_engine *e = ctx;
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
static int probe_next(struct http_engine *e, struct og_error *err)
{
	const struct og_http_limits limits = {
		.connect_ms = e->limits.connect_ms, .total_ms = PROBE_MS, .body_cap = PROBE_CAP};
	const struct og_http_handler handler = {
		.on_status = on_probe_status, .on_body = on_probe_body, .on_end = on_probe_end, .ctx = e};
	struct probe *p = e->probe;
	const char *path = p->step < OG_PROBE_STEPS_MAX ? e->dialect->probe[p->step].path : NULL;
	og_autofree char *url = NULL;

	if (!path) {
		probe_end(e, NULL);
		return 0;
	}
	url = og_printf("%s%s", e->dialect->probe[p->step].below_api ? e->api : e->root, path);
	p->status = 0;
	og_buf_clear(&p->body);
	p->call = ask(e, "GET", url, NULL, &limits, &handler, err);
	return p->call ? 0 : -1;
}

static void probe_drop(struct http_engine *e)
{
	struct probe *p = e->probe;

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
	struct http_engine *e = (struct http_engine *)engine;

	probe_drop(e);
	e->probe = og_new(struct probe);
	e->probe->cb = cb;
	e->probe->ctx = ctx;
	og_buf_init(&e->probe->body, PROBE_CAP);
	if (probe_next(e, err) == 0)
		return 0;
	probe_drop(e);
	return -1;
}

/* ---- a run ---- */

static void run_free(struct og_engine_run *r)
{
	DL_DELETE(r->engine->runs, r);
	og_engine_stream_done(&r->stream);
	og_buf_done(&r->refusal);
	free(r);
}

static void tell(struct og_engine_run *r)
{
	if (r->told)
		return;
	r->told = true;
	r->sink.end(r->sink.ctx, r->stream.fault, r->stream.words);
}

static void on_status(void *ctx, int status, const char *content_type)
{
	struct og_engine_run *r = ctx;
	const char *wanted = r->stream.dialect->streams;

	r->status = status;
	if (status == 200 && *content_type && strncasecmp(content_type, wanted, strlen(wanted)) != 0)
		og_engine_stream_fault(&r->stream, OG_FAULT_ENGINE_GARBAGE,
			"the engine answered with %.64s where %s was asked for", content_type, wanted);
}

static int on_body(void *ctx, const char *data, size_t len)
{
	struct og_engine_run *r = ctx;

	r->last_byte_ms = og_clock_mono_ms();
	if (r->told)
		return 0;
	if (r->status != 200) {
		/* What is beyond the cap is of no interest: the words stand at the beginning. */
		size_t room = r->refusal.cap - r->refusal.len;

		return og_buf_add(&r->refusal, data, len < room ? len : room);
	}
	og_engine_stream_push(&r->stream, data, len);
	if (r->stream.fault)
		return -1;
	if (r->stream.ended)
		tell(r);
	return 0;
}

static bool timed_out(const struct og_engine_run *r)
{
	const struct og_http_limits *l = &r->limits;
	int64_t now = og_clock_mono_ms() + TIMER_SLACK_MS;

	return (l->total_ms && now - r->started_ms >= l->total_ms) ||
	       (l->first_byte_ms && !r->last_byte_ms && now - r->started_ms >= l->first_byte_ms) ||
	       (l->idle_ms && r->last_byte_ms && now - r->last_byte_ms >= l->idle_ms);
}

/* The call failed: what does that say of the engine? */
static void judge_failure(struct og_engine_run *r, const struct og_error *err)
{
	enum og_fault fault;

	if (err->kind == OG_INVALID)
		fault = OG_FAULT_ENGINE_GARBAGE;
	else if (timed_out(r))
		fault = OG_FAULT_ENGINE_STALLED;
	else
		fault = r->status ? OG_FAULT_ENGINE_CUT : OG_FAULT_ENGINE_UNAVAILABLE;
	og_engine_stream_fault(&r->stream, fault, "the engine: %s", err->message);
}

static void judge_refusal(struct og_engine_run *r)
{
	int status = r->status;
	bool prompt_to_blame = status >= 400 && status < 500 && status != 408 && status != 429;
	char words[OG_ENGINE_WORDS_MAX - 64];
	enum og_fault fault = OG_FAULT_ENGINE_GARBAGE;

	if (prompt_to_blame)
		fault = OG_FAULT_ENGINE_ERROR;
	else if (status >= 400)
		fault = OG_FAULT_ENGINE_UNAVAILABLE;
	refusal_words(&r->refusal, words, sizeof(words));
	og_engine_stream_fault(&r->stream, fault, "the engine answered %d: %s", status, words);
}

static void on_end(void *ctx, int status, const struct og_error *err)
{
	struct og_engine_run *r = ctx;

	(void)status;
	if (err)
		judge_failure(r, err);
	else if (r->status != 200)
		judge_refusal(r);
	else
		og_engine_stream_close(&r->stream);
	tell(r);
	run_free(r);
}

struct og_engine_run *og_http_engine_start(struct og_engine *engine, const struct og_request *q, const char *model,
	int64_t total_ms, const struct og_engine_sink *sink, struct og_error *err)
{
	struct http_engine *e = (struct http_engine *)engine;
	struct og_http_handler handler = {.on_status = on_status, .on_body = on_body, .on_end = on_end};
	struct og_dialect_run run = {.chat = q->chat, .created_s = og_clock_wall_ms() / 1000};
	struct og_engine_run *r = og_new(struct og_engine_run);
	og_autofree char *body = NULL, *url = NULL;
	const char *path = NULL;
	json_t *json = e->dialect->request(q, model, &path);

	body = json_dumps(json, JSON_COMPACT);
	json_decref(json);
	url = og_printf("%s%s", e->api, path);
	snprintf(run.id, sizeof(run.id), "%s", q->id);
	snprintf(run.model, sizeof(run.model), "%s", model);
	r->engine = e;
	r->sink = *sink;
	r->limits = e->limits;
	if (total_ms && (!r->limits.total_ms || total_ms < r->limits.total_ms))
		r->limits.total_ms = total_ms;
	r->started_ms = og_clock_mono_ms();
	og_buf_init(&r->refusal, ERROR_CAP);
	og_engine_stream_init(&r->stream, e->dialect, &run, sink->event, sink->ctx);
	DL_APPEND(e->runs, r);
	handler.ctx = r;
	r->call = ask(e, "POST", url, body, &r->limits, &handler, err);
	if (!r->call) {
		run_free(r);
		return NULL;
	}
	return r;
}

void og_http_engine_cancel(struct og_engine *engine, struct og_engine_run *run)
{
	og_http_cancel(((struct http_engine *)engine)->http, run->call);
	run_free(run);
}

void og_http_engine_close(struct og_engine *engine)
{
	struct http_engine *e = (struct http_engine *)engine;
	struct og_engine_run *run, *next;

	probe_drop(e);
	DL_FOREACH_SAFE(e->runs, run, next)
	{
		og_http_engine_cancel(engine, run);
	}
	free(e->root);
	free(e->api);
	free(e->auth);
	free(e);
}
