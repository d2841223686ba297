/* POST /api/chat and /api/generate: Ollama's requests and answers over the same way as OpenAI's. */
#include <stdlib.h>
#include <string.h>

#include "api/models.h"
#include "api/ollama.h"
#include "api/ollama/events.h"
#include "api/ollama/request.h"
#include "api/prompt.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "model/json.h"

#define NDJSON "application/x-ndjson"

/* ── the form ── */

static void chunk(struct og_prompt *p, const struct og_chunk_at *at, const char *data, size_t len, struct og_buf *out)
{
	(void)at;
	og_ollama_chunk(og_prompt_of_form(p), og_clock_wall_ms(), data, len, out);
}

static void wait_for(struct og_prompt *p, int64_t ahead, struct og_buf *out)
{
	og_ollama_waiting(og_prompt_of_form(p), og_clock_wall_ms(), ahead, out);
}

static void broken(struct og_prompt *p, const struct og_refusal *why, struct og_buf *out)
{
	og_autofree char *text = og_json_dump(og_refusal_json(OG_OLLAMA, why, og_prompt_id(p)), 0);

	og_buf_adds(out, text);
	og_buf_add(out, "\n", 1);
}

static void tail(struct og_prompt *p, const struct og_job_end *end, struct og_buf *out)
{
	struct og_refusal why;

	if (og_ollama_tail(og_prompt_of_form(p), og_clock_wall_ms(), end->body, end->len, out) == 0)
		return;
	og_refuse_with(&why, 502, "engine_failed", "the answer is not of the kind that was asked for");
	broken(p, &why, out);
}

static int whole(struct og_prompt *p, const struct og_job_end *end, char **ret, size_t *ret_len)
{
	json_t *answer = og_ollama_whole(og_prompt_of_form(p), og_clock_wall_ms(), end->body, end->len);

	if (!answer)
		return -1;
	*ret = og_json_dump(answer, 0);
	*ret_len = strlen(*ret);
	return 0;
}

static const struct og_form form = {
	.stream_type = NDJSON,
	.whole = whole,
	.chunk = chunk,
	.wait = wait_for,
	.tail = tail,
	.broken = broken,
};

/* ── the request ── */

typedef int og_turn(const json_t *q, struct og_ollama_request *ret, struct og_refusal *why);

static struct og_ollama_answer answer_of(const struct og_ollama_request *r)
{
	struct og_ollama_answer a = {.generate = r->generate, .hide_thinking = r->hide_thinking};

	strcpy(a.name, r->model);
	return a;
}

/* Nothing has to be loaded for anybody: where the fleet serves the model, it is at hand. */
static json_t *loaded(struct og_api *api, struct og_web_call *c, const json_t *answer, og_turn *turn)
{
	json_t *q = og_api_json_body(c), *line = NULL;
	struct og_ollama_request r = {0};
	struct og_ollama_answer a;
	struct og_refusal why;

	if (!q)
		return NULL;
	turn(q, &r, &why);
	a = answer_of(&r);
	if (og_models_find(api, c, answer, r.model)) {
		line = og_ollama_loaded(&a, og_clock_wall_ms(), r.unload);
	} else {
		og_refuse_with(
			&why, 404, "model_not_found", "model '%.200s' not found: GET /api/tags lists them", r.model);
		og_refuse(c, &why);
	}
	og_ollama_request_done(&r);
	json_decref(q);
	return line;
}

static json_t *chat_loaded(struct og_api *api, struct og_web_call *c, const json_t *answer)
{
	return loaded(api, c, answer, og_ollama_chat_request);
}

static json_t *generate_loaded(struct og_api *api, struct og_web_call *c, const json_t *answer)
{
	return loaded(api, c, answer, og_ollama_generate_request);
}

static void start(struct og_api *api, struct og_web_call *c, const struct og_ollama_request *r)
{
	struct og_prompt_request request = {.stream = r->stream, .form = &form, .form_done = free};
	const struct og_ollama_answer a = answer_of(r);
	og_autofree char *text = json_dumps(r->body, JSON_COMPACT);
	char id[OG_ID_LEN + 1];
	struct og_refusal why;

	if (og_prompt_envelope(c, id, &request.e, &why) < 0) {
		og_refuse(c, &why);
		return;
	}
	request.e.model = r->model;
	og_prompt_aside(api, c, r->body, &request.e);
	request.e.max_tokens = r->max_tokens;
	request.body = text;
	request.len = strlen(text);
	request.of_form = og_memdup(&a, sizeof(a));
	og_prompt_start(api, c, &request);
}

static void take(struct og_api *api, struct og_web_call *c, og_turn *turn,
	json_t *(*when_loaded)(struct og_api *api, struct og_web_call *c, const json_t *answer))
{
	json_t *q = og_api_json_body(c);
	struct og_ollama_request r;
	struct og_refusal why;

	if (!q)
		return;
	if (turn(q, &r, &why) < 0) {
		og_refuse(c, &why);
	} else if (!r.body) {
		og_api_ask(api, c, "tiers", NULL, when_loaded);
	} else {
		start(api, c, &r);
		og_ollama_request_done(&r);
	}
	json_decref(q);
}

void og_ollama_chat(struct og_api *api, struct og_web_call *c)
{
	take(api, c, og_ollama_chat_request, chat_loaded);
}

void og_ollama_generate(struct og_api *api, struct og_web_call *c)
{
	take(api, c, og_ollama_generate_request, generate_loaded);
}
