#include "batch/request.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "base/alloc.h"
#include "model/json.h"
#include "model/message.h"

#define DUMP (JSON_COMPACT | JSON_REAL_PRECISION(17))

static const struct {
	const char *url, *needs;
} urls[] = {
	{"/v1/chat/completions", "messages"},
	{"/v1/completions", "prompt"},
};

int og_batch_read(const char *line, size_t len, json_t **ret, const char **ret_custom_id, struct og_error *err)
{
	const json_t *id;
	json_t *root;
	int rc = 0;

	if (og_json_parse(line, len, &root, err) < 0)
		return -1;
	id = json_object_get(root, "custom_id");
	if (!json_is_string(id) || !json_string_length(id))
		rc = og_fail(err, OG_INVALID, "\"custom_id\" is missing, or no text");
	else if (json_string_length(id) > OG_CUSTOM_ID_MAX || strlen(json_string_value(id)) != json_string_length(id))
		rc = og_fail(
			err, OG_INVALID, "\"custom_id\" is longer than %d bytes, or holds a NUL", OG_CUSTOM_ID_MAX);
	if (rc < 0) {
		json_decref(root);
		return -1;
	}
	*ret = root;
	*ret_custom_id = json_string_value(id);
	return 0;
}

static int check(const json_t *line, struct og_error *err)
{
	const json_t *method = json_object_get(line, "method"), *url = json_object_get(line, "url");
	const json_t *body = json_object_get(line, "body");

	if (method && (!json_is_string(method) || strcmp(json_string_value(method), "POST") != 0))
		return og_fail(err, OG_INVALID, "\"method\" is not \"POST\"");
	if (!json_is_object(body))
		return og_fail(err, OG_INVALID, "\"body\" is missing, or no object");
	for (size_t i = 0; i < OG_COUNT(urls); i++) {
		if (!json_is_string(url) || strcmp(json_string_value(url), urls[i].url) != 0)
			continue;
		if (!json_object_get(body, urls[i].needs))
			return og_fail(
				err, OG_INVALID, "\"body\" has no \"%s\", which %s needs", urls[i].needs, urls[i].url);
		return 0;
	}
	return og_fail(err, OG_INVALID, "\"url\" is neither %s nor %s", urls[0].url, urls[1].url);
}

/* The key of which the id is made: all that the request is, as a digest. */
static void make_id(const struct og_batch_ask *ask, struct og_batch_request *r)
{
	const char *parts[] = {
		r->custom_id, ask->tier ? ask->tier : "", ask->model ? ask->model : "", ask->salt ? ask->salt : ""};
	char key[sizeof("batch:") + 2 * EVP_MAX_MD_SIZE] = "batch:";
	size_t at = strlen(key);
	unsigned char out[EVP_MAX_MD_SIZE];
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	unsigned n = 0;

	if (!md || !EVP_DigestInit_ex(md, EVP_sha256(), NULL))
		abort();
	for (size_t i = 0; i < OG_COUNT(parts); i++)
		EVP_DigestUpdate(md, parts[i], strlen(parts[i]) + 1);
	EVP_DigestUpdate(md, r->body, r->body_len);
	EVP_DigestFinal_ex(md, out, &n);
	EVP_MD_CTX_free(md);
	for (unsigned i = 0; i < n; i++, at += 2)
		snprintf(key + at, sizeof(key) - at, "%02x", out[i]);
	og_uuid_of_key(ask->tenant, key, r->id);
}

int og_batch_request_make(
	json_t *line, const struct og_batch_ask *ask, struct og_batch_request *ret, struct og_error *err)
{
	json_t *body = json_object_get(line, "body");
	struct og_batch_request r = {0};
	const char *model;

	if (check(line, err) < 0)
		return -1;
	json_object_del(body, "stream");
	json_object_del(body, "stream_options");
	r.body = json_dumps(body, DUMP);
	if (!r.body)
		return og_fail(err, OG_INVALID, "\"body\" cannot be written as JSON");
	r.body_len = strlen(r.body);
	if (r.body_len > OG_BODY_MAX) {
		free(r.body);
		return og_fail(err, OG_INVALID, "\"body\" is larger than %u MiB", OG_BODY_MAX >> 20);
	}
	r.custom_id = og_strdup(json_string_value(json_object_get(line, "custom_id")));
	model = ask->tier ? NULL : ask->model ? ask->model : json_string_value(json_object_get(body, "model"));
	r.model = og_strdup(model);
	r.max_tokens = json_integer_value(json_object_get(body, "max_tokens"));
	if (r.max_tokens < 0)
		r.max_tokens = 0;
	make_id(ask, &r);
	*ret = r;
	return 0;
}

void og_batch_request_done(struct og_batch_request *r)
{
	free(r->custom_id);
	free(r->body);
	free(r->model);
	*r = (struct og_batch_request){0};
}

/* ── what became of it ── */

static char *line_of(json_t *line)
{
	og_autofree char *text = json_dumps(line, DUMP);

	json_decref(line);
	return og_printf("%s\n", text);
}

static json_t *name_of(const char *id)
{
	og_autofree char *name = id ? og_printf("batch_req_%s", id) : NULL;

	return name ? json_string(name) : json_null();
}

/* A worker whose engine gave no whole response says the text alone. */
static json_t *response_of_text(const char *text, size_t len)
{
	return json_pack("{s:s, s:[{s:i, s:{s:s, s:o}, s:s}]}", "object", "chat.completion", "choices", "index", 0,
		"message", "role", "assistant", "content", json_stringn_nocheck(text, len), "finish_reason", "stop");
}

char *og_batch_answer_line(const char *custom_id, const char *id, const json_t *result)
{
	json_t *response = json_object_get(result, "response");
	const char *text;
	size_t len;

	text = og_answer_text(result, &len);
	if (!text)
		return NULL;
	response = json_object_get(response, "choices") ? json_incref(response) : response_of_text(text, len);
	return line_of(json_pack("{s:o, s:s, s:{s:i, s:s, s:o}, s:n}", "id", name_of(id), "custom_id", custom_id,
		"response", "status_code", 200, "request_id", id, "body", response, "error"));
}

char *og_batch_error_line(const char *custom_id, const char *id, int64_t number, const char *type, const char *words)
{
	return line_of(json_pack("{s:o, s:s?, s:n, s:{s:s, s:o}, s:I}", "id", name_of(id), "custom_id", custom_id,
		"response", "error", "code", type, "message", og_json_text(words), "line", (json_int_t)number));
}

int og_batch_read_back(const char *line, size_t len, json_t **ret, const char **ret_custom_id, const char **ret_error,
	int64_t *ret_number, struct og_error *err)
{
	const json_t *error, *response, *id;
	json_t *root;

	if (og_json_parse(line, len, &root, err) < 0)
		return -1;
	error = json_object_get(root, "error");
	response = json_object_get(root, "response");
	id = json_object_get(root, "custom_id");
	if (!json_is_object(error) == !json_is_object(response) || (!json_is_string(id) && !error)) {
		json_decref(root);
		return og_fail(err, OG_INVALID, "no line of a batch's answers");
	}
	*ret = root;
	*ret_custom_id = json_string_value(id);
	*ret_error = json_is_object(error) ? json_string_value(json_object_get(error, "code")) : NULL;
	if (json_is_object(error) && !*ret_error)
		*ret_error = "unknown";
	*ret_number = json_integer_value(json_object_get(root, "line"));
	return 0;
}
