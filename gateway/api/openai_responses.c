/* POST /v1/responses: put into a chat completion, whose answer is put back. */
#include <stdlib.h>
#include <string.h>

#include "api/openai.h"
#include "api/responses/events.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "model/json.h"

/* ── the form ── */

static json_t *completion_of(const struct og_job_end *end)
{
	const char *text;
	size_t len;

	return og_prompt_response(end, &text, &len) < 0 ? NULL : json_loadb(text, len, JSON_ALLOW_NUL, NULL);
}

static int whole(struct og_prompt *p, const struct og_job_end *end, char **ret, size_t *ret_len)
{
	const struct og_response_events *e = og_prompt_of_form(p);
	json_t *completion = completion_of(end);

	if (!og_completion_message(completion)) {
		json_decref(completion);
		return -1;
	}
	*ret = og_json_dump(og_response_ended(e->hex, e->echo, completion, NULL), 0);
	*ret_len = strlen(*ret);
	json_decref(completion);
	return 0;
}

static void head(struct og_prompt *p, struct og_buf *out)
{
	og_response_events_begin(og_prompt_of_form(p), out);
}

static void chunk(struct og_prompt *p, const struct og_chunk_at *at, const char *data, size_t len, struct og_buf *out)
{
	(void)at;
	og_response_events_chunk(og_prompt_of_form(p), data, len, out);
}

static void wait_for(struct og_prompt *p, int64_t ahead, struct og_buf *out)
{
	(void)p;
	og_sse_waiting(out, ahead);
}

static void tail(struct og_prompt *p, const struct og_job_end *end, struct og_buf *out)
{
	json_t *completion = completion_of(end);

	og_response_events_end(og_prompt_of_form(p), completion, out);
	json_decref(completion);
}

static void broken(struct og_prompt *p, const struct og_refusal *why, struct og_buf *out)
{
	og_response_events_broken(og_prompt_of_form(p), "failed", why, out);
}

static void done(void *of_form)
{
	og_response_events_done(of_form);
	free(of_form);
}

static const struct og_form form = {
	.stream_type = "text/event-stream",
	.whole = whole,
	.head = head,
	.chunk = chunk,
	.wait = wait_for,
	.tail = tail,
	.broken = broken,
};

/* ── the request ── */

static void begin(struct og_api *api, struct og_web_call *c, const json_t *body, struct og_prompt_request *request,
	const json_t *chat)
{
	struct og_response_events *e = og_new(struct og_response_events);
	json_t *echo = og_responses_echo(body, og_clock_wall_ms() / 1000);
	og_autofree char *text = json_dumps(chat, JSON_COMPACT);
	char hex[OG_RESPONSE_HEX + 1];

	og_response_hex(request->e.id, hex);
	json_object_set_new(echo, "store", json_false());
	og_response_events_init(e, hex, echo, -1);
	json_decref(echo);
	request->form = &form;
	request->of_form = e;
	request->form_done = done;
	request->body = text;
	request->len = strlen(text);
	og_prompt_start(api, c, request);
}

static int unkept(const struct og_responses_flags *flags, struct og_refusal *why)
{
	const char *what = flags->background ? "background" : flags->previous ? "previous_response_id" : NULL;

	if (!what)
		return 0;
	og_refuse_with(why, 400, "unsupported_parameter", "%s: responses are not kept by this gateway", what);
	why->param = what;
	return -1;
}

static int read_request(struct og_web_call *c, const json_t *body, char id[static OG_ID_LEN + 1],
	struct og_prompt_request *ret, json_t **ret_chat, struct og_refusal *why)
{
	struct og_responses_flags flags;
	char hex[OG_RESPONSE_HEX + 1];
	json_t *items;
	int rc;

	if (og_responses_flags(body, &flags, why) < 0 || unkept(&flags, why) < 0 ||
		og_openai_envelope(c, body, id, &ret->e, why) < 0)
		return -1;
	ret->stream = flags.stream;
	ret->e.max_tokens = flags.max_tokens;
	og_response_hex(id, hex);
	if (og_responses_items(body, hex, &items, why) < 0)
		return -1;
	rc = og_responses_chat(body, items, ret_chat, why);
	json_decref(items);
	return rc;
}

void og_openai_responses(struct og_api *api, struct og_web_call *c)
{
	json_t *body = og_api_json_body(c), *chat;
	struct og_prompt_request request = {0};
	char id[OG_ID_LEN + 1];
	struct og_refusal why;

	if (!body)
		return;
	if (read_request(c, body, id, &request, &chat, &why) < 0) {
		og_refuse(c, &why);
	} else {
		begin(api, c, body, &request, chat);
		json_decref(chat);
	}
	json_decref(body);
}
