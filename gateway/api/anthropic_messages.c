/* POST /v1/messages: put into a chat completion, whose answer is put back. */
#include <stdlib.h>
#include <string.h>

#include "api/anthropic.h"
#include "api/anthropic/events.h"
#include "api/anthropic_begin.h"
#include "base/alloc.h"
#include "model/json.h"
#include "model/json_text.h"

/* ── the form ── */

static json_t *completion_of(const struct og_job_end *end)
{
	const char *text;
	size_t len;

	return og_prompt_response(end, &text, &len) < 0 ? NULL : og_json_load(text, len, JSON_ALLOW_NUL, NULL);
}

static int whole(struct og_prompt *p, const struct og_job_end *end, char **ret, size_t *ret_len)
{
	json_t *completion = completion_of(end), *message = og_anthropic_message(og_prompt_of_form(p), completion);

	json_decref(completion);
	if (!message)
		return -1;
	*ret = og_json_dump(message, 0);
	*ret_len = strlen(*ret);
	return 0;
}

static void head(struct og_prompt *p, struct og_buf *out)
{
	og_anthropic_events_begin(og_prompt_of_form(p), out);
}

static void chunk(struct og_prompt *p, const struct og_chunk_at *at, const char *data, size_t len, struct og_buf *out)
{
	(void)at;
	og_anthropic_events_chunk(og_prompt_of_form(p), data, len, out);
}

/* How many are ahead stands in a comment, which its clients pass over as they do a ping. */
static void wait_for(struct og_prompt *p, int64_t ahead, struct og_buf *out)
{
	static const char ping[] = "{\"type\":\"ping\"}";

	(void)p;
	og_sse_waiting(out, ahead);
	og_sse_event(out, "ping", ping, strlen(ping));
}

static void broken(struct og_prompt *p, const struct og_refusal *why, struct og_buf *out)
{
	og_autofree char *text = og_json_dump(og_refusal_json(OG_ANTHROPIC, why, og_prompt_id(p)), 0);

	og_sse_event(out, "error", text, strlen(text));
}

static void tail(struct og_prompt *p, const struct og_job_end *end, struct og_buf *out)
{
	json_t *completion = completion_of(end);
	struct og_refusal why;

	if (og_anthropic_events_end(og_prompt_of_form(p), completion, out) < 0) {
		og_refuse_with(&why, 502, "engine_failed", "the answer is not of the kind that was asked for");
		broken(p, &why, out);
	}
	json_decref(completion);
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

static void start(struct og_api *api, struct og_web_call *c, const struct og_anthropic_request *r,
	struct og_prompt_request *request)
{
	struct og_anthropic_events *events = og_new(struct og_anthropic_events);

	og_anthropic_events_init(events, request->e.id, r->model, r->hide_thinking);
	og_prompt_aside(api, c, r->body, &request->e);
	request->e.max_tokens = r->max_tokens;
	request->stream = r->stream;
	request->form = &form;
	request->of_form = events;
	request->form_done = free;
	og_prompt_start(api, c, request);
}

void og_anthropic_messages_create(struct og_api *api, struct og_web_call *c)
{
	og_anthropic_begin(api, c, start);
}
