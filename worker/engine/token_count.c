#include "engine/token_count.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "request.h"

#define BYTES_A_TOKEN     4 /* of running English; more tokens than that in most other scripts */
#define TOKENS_OF_MESSAGE 4 /* its role, and the marks around it */

json_t *og_token_texts(const json_t *request)
{
	json_t *prompt = json_object_get(request, "prompt");

	if (!prompt)
		prompt = json_object_get(request, "input");
	return json_is_array(prompt) ? json_incref(prompt) : json_pack("[O*]", prompt);
}

static int64_t tokens_of(size_t bytes)
{
	return (int64_t)((bytes + BYTES_A_TOKEN - 1) / BYTES_A_TOKEN);
}

static int64_t tokens_of_json(const json_t *value)
{
	og_autofree char *text = value ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;

	return text ? tokens_of(strlen(text)) : 0;
}

static int64_t tokens_of_message(const json_t *message)
{
	og_autofree char *text = og_request_content_text(json_object_get(message, "content"));

	return TOKENS_OF_MESSAGE + tokens_of(strlen(text)) + tokens_of_json(json_object_get(message, "tool_calls"));
}

int64_t og_token_estimate(const json_t *request)
{
	json_t *texts = og_token_texts(request);
	int64_t tokens = 0;
	const json_t *item;
	size_t i;

	json_array_foreach(texts, i, item)
	{
		tokens += tokens_of(json_string_length(item));
	}
	json_decref(texts);
	json_array_foreach(json_object_get(request, "messages"), i, item)
	{
		tokens += tokens_of_message(item);
	}
	return tokens + tokens_of_json(json_object_get(request, "tools"));
}

json_t *og_token_response(int64_t tokens, bool estimated)
{
	json_t *response = json_pack("{s:s, s:I}", "object", "token_count", "prompt_tokens", (json_int_t)tokens);

	if (estimated)
		json_object_set_new(response, "estimated", json_true());
	return response;
}
