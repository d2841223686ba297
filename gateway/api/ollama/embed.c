#include "api/ollama/embed.h"

#include <string.h>

#include "api/ollama/events.h"
#include "base/alloc.h"
#include "model/json_text.h"

static bool is_texts(const json_t *input)
{
	const json_t *text;
	size_t i;

	json_array_foreach(input, i, text)
	{
		if (!json_is_string(text))
			return false;
	}
	return json_is_array(input) || json_is_string(input);
}

int og_ollama_embed_request(const json_t *q, bool legacy, struct og_ollama_embed *ret, struct og_refusal *why)
{
	const char *key = legacy ? "prompt" : "input";
	json_t *input = json_object_get(q, key), *dimensions = json_object_get(q, "dimensions");

	*ret = (struct og_ollama_embed){.legacy = legacy};
	if (og_ollama_model(q, ret->model, why) < 0)
		return -1;
	if (!input || json_is_null(input))
		return 0;
	if (legacy ? !json_is_string(input) : !is_texts(input))
		return og_refuse_with(
			why, 400, "invalid_request", "%s: must be text%s", key, legacy ? "" : ", or a list of texts");
	if (!json_string_length(input) && !json_array_size(input))
		return 0;
	ret->body = json_pack("{s:s, s:O, s:s}", "model", ret->model, "input", input, "encoding_format", "float");
	if (dimensions && !json_is_null(dimensions))
		json_object_set(ret->body, "dimensions", dimensions);
	return 0;
}

void og_ollama_embed_done(struct og_ollama_embed *e)
{
	json_decref(OG_TAKE(e->body));
}

/* The vectors in the order of their texts; NULL: some is none. */
static json_t *vectors_of(const json_t *data)
{
	json_t *vectors = json_array();
	const json_t *item;
	size_t i;

	json_array_foreach(data, i, item)
	{
		json_t *vector = json_object_get(item, "embedding");

		if (!json_is_array(vector)) {
			json_decref(vectors);
			return NULL;
		}
		json_array_append(vectors, vector);
	}
	return vectors;
}

json_t *og_ollama_embeddings(const char *name, bool legacy, const char *done, size_t len)
{
	json_t *body = og_json_load(done, len, JSON_ALLOW_NUL, NULL), *answer = NULL, *vectors;
	const json_t *data = json_object_get(json_object_get(body, "response"), "data");

	vectors = json_array_size(data) ? vectors_of(data) : NULL;
	if (vectors && legacy) {
		answer = json_pack("{s:O}", "embedding", json_array_get(vectors, 0));
	} else if (vectors) {
		answer = json_pack("{s:s, s:O}", "model", name, "embeddings", vectors);
		og_ollama_add_prompt_metrics(answer, body);
	}
	json_decref(vectors);
	json_decref(body);
	return answer;
}

json_t *og_ollama_no_embeddings(const char *name, bool legacy)
{
	return legacy ? json_pack("{s:[]}", "embedding") : json_pack("{s:s, s:[]}", "model", name, "embeddings");
}
