/* POST /v1/messages/count_tokens: the same request as a message's, counted by the engine that would answer it. */
#include <string.h>

#include "api/anthropic.h"
#include "api/anthropic_begin.h"
#include "model/json.h"
#include "model/operation.h"

/* A count that nobody could do is an estimate, and is called so. */
static int whole(struct og_prompt *p, const struct og_job_end *end, char **ret, size_t *ret_len)
{
	const char *text;
	size_t len;
	json_t *count = og_prompt_response(end, &text, &len) < 0 ? NULL : json_loadb(text, len, 0, NULL);
	json_t *tokens = json_object_get(count, "prompt_tokens"), *answer;

	(void)p;
	if (!json_is_integer(tokens)) {
		json_decref(count);
		return -1;
	}
	answer = json_pack("{s:O}", "input_tokens", tokens);
	if (json_is_true(json_object_get(count, "estimated")))
		json_object_set_new(answer, "estimated", json_true());
	*ret = og_json_dump(answer, 0);
	*ret_len = strlen(*ret);
	json_decref(count);
	return 0;
}

static const struct og_form form = {.whole = whole};

static void start(struct og_api *api, struct og_web_call *c, const struct og_anthropic_request *r,
	struct og_prompt_request *request)
{
	(void)r;
	request->form = &form;
	request->e.operation = og_operation_name(OG_OPERATION_COUNT_TOKENS);
	og_prompt_start(api, c, request);
}

void og_anthropic_count_tokens(struct og_api *api, struct og_web_call *c)
{
	og_anthropic_begin(api, c, start);
}
