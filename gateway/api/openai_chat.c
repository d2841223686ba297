/* POST /v1/chat/completions and /v1/completions: the body goes to the engine as it is, its events come back as they are. */
#include <stdlib.h>
#include <string.h>

#include "api/openai.h"
#include "api/prompt.h"
#include "base/alloc.h"
#include "model/json.h"

struct chat {
	bool include_usage;
};

/* The engine ends every stream with an event of usage alone, which is for those who asked for it. */
static bool is_usage_alone(const char *data, size_t len)
{
	return memmem(data, len, "\"choices\":[]", 12) || memmem(data, len, "\"choices\": []", 13);
}

static void chunk(struct og_prompt *p, const struct og_chunk_at *at, const char *data, size_t len, struct og_buf *out)
{
	const struct chat *chat = og_prompt_of_form(p);

	if (chat->include_usage || !is_usage_alone(data, len))
		og_sse_data(out, at, data, len);
}

static void wait_for(struct og_prompt *p, int64_t ahead, struct og_buf *out)
{
	(void)p;
	og_sse_waiting(out, ahead);
}

static void tail(struct og_prompt *p, const struct og_job_end *end, struct og_buf *out)
{
	(void)p;
	(void)end;
	og_sse_data(out, NULL, "[DONE]", 6);
}

static void broken(struct og_prompt *p, const struct og_refusal *why, struct og_buf *out)
{
	og_autofree char *text = og_json_dump(og_refusal_json(OG_OPENAI, why, og_prompt_id(p)), 0);

	og_sse_data(out, NULL, text, strlen(text));
}

int og_openai_whole(struct og_prompt *p, const struct og_job_end *end, char **ret, size_t *ret_len)
{
	const char *response;

	(void)p;
	if (og_prompt_response(end, &response, ret_len) < 0)
		return -1;
	*ret = og_memdup(response, *ret_len);
	return 0;
}

static const struct og_form form = {
	.stream_type = "text/event-stream",
	.whole = og_openai_whole,
	.chunk = chunk,
	.wait = wait_for,
	.tail = tail,
	.broken = broken,
};

static int64_t max_tokens_of(const json_t *body)
{
	const json_t *n = json_object_get(body, "max_completion_tokens");

	if (!json_is_integer(n))
		n = json_object_get(body, "max_tokens");
	return json_integer_value(n) > 0 ? json_integer_value(n) : 0;
}

int og_openai_envelope(struct og_web_call *c, const json_t *body, char id[static OG_ID_LEN + 1],
	struct og_envelope *ret, struct og_refusal *why)
{
	const json_t *model = json_object_get(body, "model");

	if (og_prompt_envelope(c, id, ret, why) < 0)
		return -1;
	if (!json_is_string(model) || !json_string_length(model) || json_string_length(model) >= OG_NAME_MAX) {
		og_refuse_with(why, 400, "missing_required_parameter",
			"model: name the model as text of 1 to %d bytes; GET /v1/models lists them", OG_NAME_MAX - 1);
		why->param = "model";
		return -1;
	}
	ret->model = json_string_value(model);
	ret->max_tokens = max_tokens_of(body);
	return 0;
}

static int check(const json_t *body, const char *prompt, struct og_refusal *why)
{
	const json_t *stream = json_object_get(body, "stream");

	if (!json_object_get(body, prompt))
		og_refuse_with(why, 400, "missing_required_parameter", "%s: is missing, and must be there", prompt);
	else if (stream && !json_is_boolean(stream) && !json_is_null(stream))
		og_refuse_with(why, 400, "invalid_type", "stream: must be true or false");
	else
		return 0;
	why->param = json_object_get(body, prompt) ? "stream" : prompt;
	return -1;
}

static void take(struct og_api *api, struct og_web_call *c, const char *prompt)
{
	json_t *body = og_api_json_body(c);
	const json_t *options = json_object_get(body, "stream_options");
	struct og_prompt_request request = {.form = &form, .form_done = free};
	char id[OG_ID_LEN + 1];
	struct og_refusal why;
	struct chat *chat;

	if (!body)
		return;
	if (check(body, prompt, &why) < 0 || og_openai_envelope(c, body, id, &request.e, &why) < 0) {
		og_refuse(c, &why);
	} else {
		chat = og_new(struct chat);
		chat->include_usage = json_is_true(json_object_get(options, "include_usage"));
		og_prompt_aside(api, c, body, &request.e);
		request.of_form = chat;
		request.stream = json_is_true(json_object_get(body, "stream"));
		request.body = og_web_body(c, &request.len);
		og_prompt_start(api, c, &request);
	}
	json_decref(body);
}

void og_openai_chat(struct og_api *api, struct og_web_call *c)
{
	take(api, c, "messages");
}

void og_openai_completions(struct og_api *api, struct og_web_call *c)
{
	take(api, c, "prompt");
}
