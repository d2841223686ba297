/* POST /v1/embeddings: the vectors of texts. The body goes to an engine that embeds as it is, its answer comes back as it is. */
#include <string.h>

#include "api/openai.h"
#include "model/operation.h"

static const struct og_form form = {.whole = og_openai_whole};

static int refuse_param(struct og_refusal *why, const char *param, const char *code, const char *words)
{
	og_refuse_with(why, 400, code, "%s: %s", param, words);
	why->param = param;
	return -1;
}

/* A text, texts, tokens, or arrays of tokens; what is in an array the engine looks at. */
static int check(const json_t *body, struct og_refusal *why)
{
	const json_t *input = json_object_get(body, "input"), *format = json_object_get(body, "encoding_format");
	const char *name = json_string_value(format);

	if (!input)
		return refuse_param(why, "input", "missing_required_parameter", "is missing, and must be there");
	if (!json_string_length(input) && !json_array_size(input))
		return refuse_param(
			why, "input", "invalid_value", "must be a text, or an array of texts or tokens, not empty");
	if (format && !json_is_null(format) && (!name || (strcmp(name, "float") != 0 && strcmp(name, "base64") != 0)))
		return refuse_param(why, "encoding_format", "invalid_value", "must be \"float\" or \"base64\"");
	return 0;
}

void og_openai_embeddings(struct og_api *api, struct og_web_call *c)
{
	json_t *body = og_api_json_body(c);
	struct og_prompt_request request = {.form = &form};
	char id[OG_ID_LEN + 1];
	struct og_refusal why;

	if (!body)
		return;
	if (check(body, &why) < 0 || og_openai_envelope(c, body, id, &request.e, &why) < 0) {
		og_refuse(c, &why);
	} else {
		request.e.operation = og_operation_name(OG_OPERATION_EMBED);
		request.body = og_web_body(c, &request.len);
		og_prompt_start(api, c, &request);
	}
	json_decref(body);
}
