/* Any server with OpenAI's chat completions and completions: llama.cpp's server, vLLM, LM Studio, a cloud. The
 * client's request goes to it with every parameter it holds; its events go to the client byte for byte. */
#include <string.h>

#include "engine/openai_count.h"
#include "model/json_text.h"

enum step { HEALTH, MODELS, PROPS };

static void keep_above_0(int64_t *kept, const json_t *number)
{
	if (json_integer_value(number) > 0)
		*kept = json_integer_value(number);
}

static int probed(size_t step, const json_t *body, struct og_serves *serves, struct og_error *err)
{
	const json_t *list = json_object_get(body, "data"), *modalities = json_object_get(body, "modalities"), *model;
	size_t i;

	switch ((enum step)step) {
	case HEALTH: /* its status said all */
		break;
	case MODELS:
		if (!json_is_array(list))
			return og_fail(
				err, OG_RETRY, "its list of models is not the one of an OpenAI-compatible server");
		json_array_foreach(list, i, model)
		{
			og_dialect_serves(serves, json_object_get(model, "id"));
		}
		break;
	case PROPS: /* llama.cpp's; the others do not say */
		keep_above_0(&serves->slots, json_object_get(body, "total_slots"));
		/* An image in a prompt is far more bytes than tokens: who takes any cannot be judged by them. */
		if (!json_is_true(json_object_get(modalities, "vision")) &&
			!json_is_true(json_object_get(modalities, "audio")))
			keep_above_0(&serves->context,
				json_object_get(json_object_get(body, "default_generation_settings"), "n_ctx"));
		break;
	}
	return 0;
}

/* It is always streamed, whether the client wants chunks or not: that is how a stall, a cancel and the first token
 * show. */
static json_t *request(const struct og_request *q, const char *model, const char **ret_path)
{
	json_t *body = json_copy(q->body);
	json_t *options = json_object_get(body, "stream_options");

	options = json_is_object(options) ? json_copy(options) : json_object();
	json_object_set_new(options, "include_usage", json_true());
	json_object_set_new(body, "stream_options", options);
	json_object_set_new(body, "stream", json_true());
	json_object_set_new(body, "model", json_string(model));
	*ret_path = q->chat ? "/chat/completions" : "/completions";
	return body;
}

/* An error in the middle of a stream. Its code, where it has one, is an HTTP status. */
static void read_error(const json_t *error, struct og_dialect_event *ret)
{
	char words[OG_ENGINE_WORDS_MAX - 32];
	json_int_t code = json_integer_value(json_object_get(error, "code"));

	if (!og_dialect_words(error, words, sizeof(words)))
		strcpy(words, "an error without words");
	og_dialect_fault(
		ret, code >= 500 ? OG_FAULT_ENGINE_UNAVAILABLE : OG_FAULT_ENGINE_ERROR, "the engine: %s", words);
}

static void event(struct og_dialect_run *run, const struct og_sse_event *event, struct og_dialect_event *ret)
{
	json_t *error;

	(void)run;
	if (strcmp(event->data, "[DONE]") == 0) {
		ret->end = true;
		return;
	}
	if (strcmp(event->data, "null") == 0) /* llama.cpp begins so when it is given several prompts */
		return;
	ret->chunk = og_json_load(event->data, event->len, JSON_ALLOW_NUL, NULL);
	error = json_object_get(ret->chunk, "error");
	if (!json_is_object(ret->chunk))
		og_dialect_fault(ret, OG_FAULT_ENGINE_GARBAGE, "the engine sent an event that is no JSON object");
	else if (error && !json_is_null(error))
		read_error(error, ret);
	else if (strcmp(event->event, "error") == 0)
		read_error(ret->chunk, ret);
	/* An event of several lines would not be one line of JSON any more, and jansson overlooks a NUL behind a
	 * number: such an event is written out anew. */
	ret->verbatim = strlen(event->data) == event->len && !strchr(event->data, '\n');
}

static void turn(struct og_dialect_talk *talk, json_t *answer, struct og_dialect_turn *ret)
{
	if (talk->operation == OG_OPERATION_COUNT_TOKENS) {
		og_openai_count(talk, answer, ret);
	} else if (answer) {
		og_dialect_embedded(talk, answer, ret);
	} else {
		ret->path = "/embeddings";
		ret->below_api = true;
		ret->body = json_copy((json_t *)talk->request);
		json_object_set_new(ret->body, "model", json_string(talk->model));
	}
}

/* llama.cpp's. A worker that took them for a fault of the engine's would have the prompt run again, and after three of
 * them take no more work for a while. */
static const char *const blame_words[] = {"too large to process", "input is not supported", NULL};

const struct og_dialect og_dialect_openai = {
	.api = "/v1",
	.streams = "text/event-stream",
	.framing = OG_SSE_EVENTS,
	.probe =
		{
			[HEALTH] = {.path = "/health", .optional = true},
			[MODELS] = {.path = "/models", .below_api = true},
			[PROPS] = {.path = "/props", .optional = true},
		},
	.probed = probed,
	.request = request,
	.event = event,
	.turn = turn,
	.blame_words = blame_words,
};

static struct og_engine *open_openai(
	uv_loop_t *loop, struct og_http *http, const struct og_engine_config *config, struct og_error *err)
{
	(void)loop;
	return og_http_engine_open(&og_engine_openai, &og_dialect_openai, http, config, err);
}

const struct og_engine_ops og_engine_openai = {
	.kind = "openai",
	.open = open_openai,
	.probe = og_http_engine_probe,
	.start = og_http_engine_start,
	.cancel = og_http_engine_cancel,
	.close = og_http_engine_close,
};
