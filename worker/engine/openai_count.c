#include "engine/openai_count.h"

#include "engine/token_count.h"

enum { BEGIN, INPUT_TOKENS, TEMPLATE, MESSAGES, TEXTS };

static void estimate(const struct og_dialect_talk *t, struct og_dialect_turn *ret)
{
	ret->response = og_token_response(og_token_estimate(t->request), true);
}

static void ask(struct og_dialect_talk *t, unsigned phase, const char *path, json_t *body, struct og_dialect_turn *ret)
{
	t->phase = phase;
	ret->path = path;
	ret->body = body;
	ret->may_lack = true;
}

static json_t *whole_request(const struct og_dialect_talk *t)
{
	json_t *body = json_copy((json_t *)t->request);

	json_object_del(body, "stream");
	json_object_del(body, "stream_options");
	json_object_set_new(body, "model", json_string(t->model));
	return body;
}

/* llama.cpp's words and vLLM's, each of which overlooks the other's. */
static void next_text(struct og_dialect_talk *t, struct og_dialect_turn *ret)
{
	json_t *text = json_array_get(t->texts, t->n_counted);

	if (!text) {
		ret->response = og_token_response(t->tokens, false);
		return;
	}
	t->n_counted++;
	ask(t, TEXTS, "/tokenize",
		json_pack("{s:s, s:O, s:O, s:b, s:b, s:b}", "model", t->model, "content", text, "prompt", text,
			"add_special", 1, "parse_special", 1, "add_special_tokens", 1),
		ret);
}

static void begin(struct og_dialect_talk *t, struct og_dialect_turn *ret)
{
	if (json_object_get(t->request, "messages")) {
		ask(t, INPUT_TOKENS, "/chat/completions/input_tokens", whole_request(t), ret);
		ret->below_api = true;
		return;
	}
	t->texts = og_token_texts(t->request);
	next_text(t, ret);
}

/* What /tokenize says; -1: nothing that it would say. */
static int64_t count_of(const json_t *answer)
{
	const json_t *count = json_object_get(answer, "count"), *tokens = json_object_get(answer, "tokens");

	if (json_is_integer(count))
		return json_integer_value(count);
	return json_is_array(tokens) ? (int64_t)json_array_size(tokens) : -1;
}

static void after_input_tokens(struct og_dialect_talk *t, json_t *answer, struct og_dialect_turn *ret)
{
	const json_t *count = json_object_get(answer, "input_tokens");

	if (json_is_integer(count))
		ret->response = og_token_response(json_integer_value(count), false);
	else
		ask(t, TEMPLATE, "/apply-template", whole_request(t), ret);
}

static void after_template(struct og_dialect_talk *t, json_t *answer, struct og_dialect_turn *ret)
{
	json_t *prompt = json_object_get(answer, "prompt");

	if (json_is_string(prompt)) {
		t->texts = json_pack("[O]", prompt);
		next_text(t, ret);
	} else {
		ask(t, MESSAGES, "/tokenize", whole_request(t), ret);
	}
}

static void after_tokenize(struct og_dialect_talk *t, json_t *answer, struct og_dialect_turn *ret)
{
	int64_t count = count_of(answer);

	/* llama.cpp's gives no tokens for messages, which are nothing to it. */
	if (count < 0 || (t->phase == MESSAGES && !count)) {
		estimate(t, ret);
		return;
	}
	t->tokens += count;
	next_text(t, ret);
}

void og_openai_count(struct og_dialect_talk *t, json_t *answer, struct og_dialect_turn *ret)
{
	switch (t->phase) {
	case BEGIN:
		begin(t, ret);
		break;
	case INPUT_TOKENS:
		after_input_tokens(t, answer, ret);
		break;
	case TEMPLATE:
		after_template(t, answer, ret);
		break;
	default:
		after_tokenize(t, answer, ret);
	}
}
