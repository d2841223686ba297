/* An engine that is asked over HTTP, in whichever dialect. */
#include "engine/http_engine.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/alloc.h"
#include "base/file.h"
#include "engine/http_run.h"
#include "model/json_text.h"

#define KEY_CAP    8192
#define ANSWER_CAP (512u * 1024 * 1024) /* bytes of a stream: every token comes in some 300 bytes of JSON */

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

static bool is_version(const char *segment)
{
	return segment[0] == '/' && segment[1] == 'v' && segment[2] && !segment[2 + strspn(segment + 2, "0123456789")];
}

/* http://host:8080 and http://host:8080/v1/ are one engine: both ways to write its address are in use, and an API may
 * be at another version than the usual one. */
static void split_url(const char *url, const char *api, char **ret_root, char **ret_api)
{
	char *root = og_strdup(url), *last;
	size_t len = strlen(root);

	while (len && root[len - 1] == '/')
		root[--len] = '\0';
	last = strrchr(root, '/');
	if (last && (strcmp(last, api) == 0 || (is_version(last) && is_version(api)))) {
		*ret_api = og_strdup(root);
		*last = '\0';
	} else {
		*ret_api = og_printf("%s%s", root, api);
	}
	*ret_root = root;
}

struct og_engine *og_http_engine_open(const struct og_engine_ops *ops, const struct og_dialect *dialect,
	struct og_http *http, const struct og_engine_config *config, struct og_error *err)
{
	struct og_http_engine *e;
	char *auth = NULL;

	if (!config->url || !*config->url) {
		og_fail(err, OG_FATAL,
			"engine.url (OG_ENGINE_URL) is empty: say where the engine listens, as in "
			"http://127.0.0.1:8080");
		return NULL;
	}
	if (read_key(config->key_file, &auth, err) < 0)
		return NULL;
	e = og_new(struct og_http_engine);
	e->base.ops = ops;
	e->dialect = dialect;
	e->http = http;
	e->auth = auth;
	e->limits = config->limits;
	e->limits.body_cap = ANSWER_CAP;
	split_url(config->url, dialect->api, &e->root, &e->api);
	return &e->base;
}

struct og_http_call *og_http_engine_ask(struct og_http_engine *e, const char *method, const char *url, const char *body,
	const char *const *more, const struct og_http_limits *limits, const struct og_http_handler *handler,
	struct og_error *err)
{
	const char *headers[5] = {0};
	size_t n = 0;

	if (body)
		headers[n++] = "Content-Type: application/json";
	if (e->auth)
		headers[n++] = e->auth;
	for (; more && *more && n < OG_COUNT(headers) - 1; more++)
		headers[n++] = *more;
	const struct og_http_request request = {
		.method = method,
		.url = url,
		.headers = headers,
		.body = body,
		.body_len = body ? strlen(body) : 0,
		.limits = *limits,
	};

	return og_http_start(e->http, &request, handler, err);
}

void og_http_refusal_words(const struct og_buf *body, char *words, size_t size)
{
	json_t *json = body->len ? og_json_load(body->data, body->len, JSON_ALLOW_NUL, NULL) : NULL;

	if (!og_dialect_words(json, words, size))
		snprintf(words, size, "no words");
	json_decref(json);
}

void og_http_engine_close(struct og_engine *engine)
{
	struct og_http_engine *e = (struct og_http_engine *)engine;
	struct og_engine_run *run, *next;

	og_http_probe_drop(e);
	DL_FOREACH_SAFE(e->runs, run, next)
	{
		og_http_engine_cancel(engine, run);
	}
	free(e->root);
	free(e->api);
	free(e->auth);
	free(e);
}
