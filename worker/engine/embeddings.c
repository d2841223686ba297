#include "engine/embeddings.h"

#include <limits.h>
#include <openssl/evp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

#define VECTOR_MAX 65536 /* numbers; models have some thousands */

json_t *og_embeddings_of(const json_t *vectors, const char *model, json_int_t prompt_tokens)
{
	json_t *data = json_array();
	json_t *vector;
	size_t i;

	json_array_foreach(vectors, i, vector)
	{
		json_array_append_new(data, json_pack("{s:s, s:I, s:O}", "object", "embedding", "index", (json_int_t)i,
						    "embedding", vector));
	}
	return json_pack("{s:s, s:o, s:s, s:{s:I, s:I}}", "object", "list", "data", data, "model", model, "usage",
		"prompt_tokens", prompt_tokens, "total_tokens", prompt_tokens);
}

static void put_float(unsigned char *out, double number)
{
	float f = (float)number;
	uint32_t bits;

	memcpy(&bits, &f, sizeof(bits));
	for (size_t i = 0; i < sizeof(bits); i++)
		out[i] = (unsigned char)(bits >> 8 * i);
}

static json_t *base64_of(const json_t *vector)
{
	size_t n = json_array_size(vector), len = n * sizeof(float);
	og_autofree unsigned char *bytes = og_alloc(len + 1);
	og_autofree char *text = og_alloc((len + 2) / 3 * 4 + 1);
	const json_t *number;
	size_t i;

	json_array_foreach(vector, i, number)
	{
		put_float(bytes + i * sizeof(float), json_number_value(number));
	}
	EVP_EncodeBlock((unsigned char *)text, bytes, (int)len);
	return json_string(text);
}

static bool is_vector(const json_t *vector)
{
	const json_t *number;
	size_t i;

	if (!json_is_array(vector) || json_array_size(vector) > VECTOR_MAX)
		return false;
	json_array_foreach(vector, i, number)
	{
		if (!json_is_number(number))
			return false;
	}
	return i > 0;
}

/* Numbers in a vector, which may be base64 already. */
static size_t length_of(const json_t *vector)
{
	size_t len = json_string_length(vector);
	const char *text = json_string_value(vector);

	if (!text)
		return json_array_size(vector);
	while (len && text[len - 1] == '=')
		len--;
	return len * 3 / 4 / sizeof(float);
}

static int finish(json_t *item, json_int_t dimensions, bool base64, struct og_error *err)
{
	json_t *vector = json_object_get(item, "embedding");

	if (!json_string_length(vector) && !is_vector(vector))
		return og_fail(err, OG_RETRY, "the engine's answer holds an embedding that is no vector");
	if (dimensions && length_of(vector) != (size_t)dimensions)
		return og_fail(err, OG_INVALID,
			"the engine gives vectors of %zu numbers, and 'dimensions' asks for %lld: leave it out, or ask "
			"for a model that can",
			length_of(vector), (long long)dimensions);
	if (base64 && json_is_array(vector))
		json_object_set_new(item, "embedding", base64_of(vector));
	return 0;
}

int og_embeddings_finish(json_t *list, const json_t *request, struct og_error *err)
{
	const char *format = json_string_value(json_object_get(request, "encoding_format"));
	json_int_t dimensions = json_integer_value(json_object_get(request, "dimensions"));
	json_t *data = json_object_get(list, "data"), *item;
	size_t i;

	if (!json_array_size(data))
		return og_fail(err, OG_RETRY, "the engine's answer is no list of embeddings");
	json_array_foreach(data, i, item)
	{
		if (finish(item, dimensions, format && strcmp(format, "base64") == 0, err) < 0)
			return -1;
	}
	return 0;
}
