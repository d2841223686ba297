#include "api/ollama/request.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "model/json.h"

/* Turned into something else, or of no meaning here: what is in neither list goes to the engine as it is. */
static const char *const turned[] = {"model", "name", "messages", "prompt", "suffix", "system", "template", "context",
	"raw", "stream", "format", "options", "think", "images", "keep_alive", "truncate", "shift",
	"_debug_render_only"};

/* Options that say how a model is loaded. It is loaded already, and by the node's own settings. */
static const char *const of_loading[] = {"num_ctx", "num_batch", "num_gpu", "main_gpu", "num_thread", "num_keep",
	"use_mmap", "use_mlock", "low_vram", "f16_kv", "vocab_only", "logits_all", "numa", "draft_num_predict"};

static bool is_among(const char *name, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(names[i], name))
			return true;
	return false;
}

static const char *text_of(const json_t *q, const char *key)
{
	const char *text = json_string_value(json_object_get(q, key));

	return text ? text : "";
}

int og_ollama_model(const json_t *q, char ret[static OG_NAME_MAX], struct og_refusal *why)
{
	const char *name = *text_of(q, "model") ? text_of(q, "model") : text_of(q, "name");
	size_t len = strlen(name);

	if (!len || len >= OG_NAME_MAX)
		return og_refuse_with(why, 400, "missing_required_parameter",
			"model: name the model as text of 1 to %d bytes; GET /api/tags lists them", OG_NAME_MAX - 1);
	strcpy(ret, name);
	return 0;
}

/* ── what is said of the answer ── */

/* Most options have the same name at OpenAI-compatible engines (llama.cpp's server knows them all). */
static void add_options(const json_t *options, json_t *body, int64_t *ret_max_tokens)
{
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)options, name, value)
	{
		if (is_among(name, of_loading, OG_COUNT(of_loading)) || is_among(name, turned, OG_COUNT(turned)) ||
			json_is_null(value))
			continue;
		if (strcmp(name, "num_predict") != 0)
			json_object_set(body, name, value);
		else if (json_integer_value(value) > 0) /* -1 and -2: as many as there is room for */
			json_object_set(body, "max_tokens", value);
	}
	*ret_max_tokens = json_integer_value(json_object_get(body, "max_tokens"));
}

static int add_format(const json_t *format, json_t *body, struct og_refusal *why)
{
	if (!format || json_is_null(format) || (json_is_string(format) && !json_string_length(format)))
		return 0;
	if (json_is_object(format))
		json_object_set_new(body, "response_format",
			json_pack("{s:s, s:{s:s, s:b, s:O}}", "type", "json_schema", "json_schema", "name", "answer",
				"strict", 1, "schema", format));
	else if (json_is_string(format) && !strcmp(json_string_value(format), "json"))
		json_object_set_new(body, "response_format", json_pack("{s:s}", "type", "json_object"));
	else
		return og_refuse_with(
			why, 400, "invalid_request", "format: is \"json\" or an object, the JSON schema of the answer");
	return 0;
}

/* Whether models think is a matter of their chat template to llama.cpp's server, vLLM and SGLang. */
static int add_think(const json_t *think, json_t *body, bool *ret_hide, struct og_refusal *why)
{
	if (!think || json_is_null(think))
		return 0;
	if (json_is_string(think))
		json_object_set(body, "reasoning_effort", (json_t *)think);
	else if (!json_is_boolean(think))
		return og_refuse_with(why, 400, "invalid_request",
			"think: is true, false, or how much: \"low\", \"medium\", \"high\"");
	json_object_set_new(body, "chat_template_kwargs",
		json_pack("{s:b}", "enable_thinking", json_is_string(think) || json_is_true(think)));
	*ret_hide = json_is_false(think);
	return 0;
}

static bool is_empty(const json_t *value)
{
	return json_is_null(value) || (json_is_array(value) && !json_array_size(value));
}

/* All that chat and generate have in common, over a new body. */
static int begin(const json_t *q, struct og_ollama_request *ret, struct og_refusal *why)
{
	const json_t *stream = json_object_get(q, "stream"), *options = json_object_get(q, "options");
	const char *name;
	json_t *value;

	if (og_ollama_model(q, ret->model, why) < 0)
		return -1;
	if (stream && !json_is_boolean(stream) && !json_is_null(stream))
		return og_refuse_with(why, 400, "invalid_request", "stream: must be true or false");
	if (options && !json_is_object(options) && !json_is_null(options))
		return og_refuse_with(why, 400, "invalid_request", "options: must be an object");
	ret->stream = !json_is_false(stream);
	ret->body = json_object();
	add_options(options, ret->body, &ret->max_tokens);
	json_object_foreach((json_t *)q, name, value)
	{
		if (!is_among(name, turned, OG_COUNT(turned)) && !is_empty(value))
			json_object_set(ret->body, name, value);
	}
	json_object_set_new(ret->body, "model", json_string(ret->model));
	if (add_format(json_object_get(q, "format"), ret->body, why) < 0)
		return -1;
	return add_think(json_object_get(q, "think"), ret->body, &ret->hide_thinking, why);
}

/* A request without a prompt has the model loaded, or with keep_alive 0 put away. */
static int only_load(const json_t *q, struct og_ollama_request *ret)
{
	const json_t *keep = json_object_get(q, "keep_alive");
	const char *text = json_string_value(keep);

	ret->unload = text ? text[strspn(text, "0")] == '\0' || !strcmp(text, "0s")
	                   : json_is_number(keep) && !json_number_value(keep);
	json_decref(OG_TAKE(ret->body));
	return 0;
}

static int end(struct og_ollama_request *r, int rc)
{
	if (rc < 0)
		og_ollama_request_done(r);
	return rc;
}

/* ── chat ── */

static int chat(const json_t *q, struct og_ollama_request *r, struct og_refusal *why)
{
	const json_t *messages = json_object_get(q, "messages");
	json_t *turned_messages;

	if (begin(q, r, why) < 0)
		return -1;
	if (messages && !json_is_array(messages) && !json_is_null(messages))
		return og_refuse_with(why, 400, "invalid_request", "messages: must be an array");
	if (!json_array_size(messages))
		return only_load(q, r);
	turned_messages = og_ollama_messages(messages, why);
	if (!turned_messages)
		return -1;
	json_object_set_new(r->body, "messages", turned_messages);
	return 0;
}

int og_ollama_chat_request(const json_t *q, struct og_ollama_request *ret, struct og_refusal *why)
{
	*ret = (struct og_ollama_request){0};
	return end(ret, chat(q, ret, why));
}

/* ── generate ── */

/* The prompt goes to the model as it is, without its chat template. */
static int add_bare_prompt(const json_t *q, struct og_ollama_request *r, struct og_refusal *why)
{
	if (json_array_size(json_object_get(q, "images")))
		return og_refuse_with(
			why, 400, "invalid_request", "images: go with a chat, so neither with `raw` nor with `suffix`");
	json_object_set_new(r->body, "prompt", json_string(text_of(q, "prompt")));
	if (*text_of(q, "suffix"))
		json_object_set_new(r->body, "suffix", json_string(text_of(q, "suffix")));
	json_object_del(r->body, "chat_template_kwargs");
	json_object_del(
		r->body, "logprobs"); /* of another form in completions, whose answer Ollama's has no room for */
	json_object_del(r->body, "top_logprobs");
	return 0;
}

static int add_prompt(const json_t *q, struct og_ollama_request *r, struct og_refusal *why)
{
	json_t *messages = json_array();
	json_t *said = og_ollama_content(text_of(q, "prompt"), json_object_get(q, "images"), "", why);

	if (*text_of(q, "system"))
		json_array_append_new(
			messages, json_pack("{s:s, s:s}", "role", "system", "content", text_of(q, "system")));
	if (said)
		json_array_append_new(messages, json_pack("{s:s, s:o}", "role", "user", "content", said));
	json_object_set_new(r->body, "messages", messages);
	return said ? 0 : -1;
}

static int check_generate(const json_t *q, struct og_refusal *why)
{
	const json_t *prompt = json_object_get(q, "prompt");

	if (prompt && !json_is_string(prompt) && !json_is_null(prompt))
		return og_refuse_with(why, 400, "invalid_request", "prompt: must be text");
	if (*text_of(q, "template"))
		return og_refuse_with(why, 400, "invalid_request",
			"template: the model's own is used; with `raw` the prompt goes to it without any");
	if (json_array_size(json_object_get(q, "context")))
		return og_refuse_with(why, 400, "invalid_request",
			"context: nothing is remembered from one request to the next; send the conversation to "
			"/api/chat");
	return 0;
}

static int generate(const json_t *q, struct og_ollama_request *r, struct og_refusal *why)
{
	if (check_generate(q, why) < 0 || begin(q, r, why) < 0)
		return -1;
	if (!*text_of(q, "prompt") && !*text_of(q, "suffix") && !json_array_size(json_object_get(q, "images")))
		return only_load(q, r);
	if (json_is_true(json_object_get(q, "raw")) || *text_of(q, "suffix"))
		return add_bare_prompt(q, r, why);
	return add_prompt(q, r, why);
}

int og_ollama_generate_request(const json_t *q, struct og_ollama_request *ret, struct og_refusal *why)
{
	*ret = (struct og_ollama_request){.generate = true};
	return end(ret, generate(q, ret, why));
}

void og_ollama_request_done(struct og_ollama_request *r)
{
	json_decref(OG_TAKE(r->body));
}
