#include "api/responses/form.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "model/json.h"
#include "model/json_text.h"

json_t *og_completion_of(const struct og_job_end *end)
{
	const char *text;
	size_t len;

	return og_prompt_response(end, &text, &len) < 0 ? NULL : og_json_load(text, len, JSON_ALLOW_NUL, NULL);
}

static int whole(struct og_prompt *p, const struct og_job_end *end, char **ret, size_t *ret_len)
{
	const struct og_response_events *e = og_prompt_of_form(p);
	json_t *completion = og_completion_of(end);

	if (!og_completion_message(completion)) {
		json_decref(completion);
		return -1;
	}
	*ret = og_json_dump(og_response_ended(e->hex, e->echo, completion, NULL), 0);
	*ret_len = strlen(*ret);
	json_decref(completion);
	return 0;
}

static char *accepted(struct og_prompt *p)
{
	const struct og_response_events *e = og_prompt_of_form(p);

	return og_json_dump(og_response_bare(e->hex, e->echo, "queued"), 0);
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
	json_t *completion = og_completion_of(end);

	og_response_events_end(og_prompt_of_form(p), completion, out);
	json_decref(completion);
}

static void broken(struct og_prompt *p, const struct og_refusal *why, struct og_buf *out)
{
	bool cancelled = why->code && !strcmp(why->code, "cancelled");

	og_response_events_broken(og_prompt_of_form(p), cancelled ? "cancelled" : "failed", why, out);
}

void og_responses_form_free(void *of_form)
{
	og_response_events_done(of_form);
	free(of_form);
}

struct og_response_events *og_responses_form_new(const char *hex, const json_t *echo, int64_t after)
{
	struct og_response_events *e = og_new(struct og_response_events);

	og_response_events_init(e, hex, echo, after);
	return e;
}

const struct og_form og_responses_form = {
	.stream_type = "text/event-stream",
	.fills_gaps = true,
	.whole = whole,
	.accepted = accepted,
	.head = head,
	.chunk = chunk,
	.wait = wait_for,
	.tail = tail,
	.broken = broken,
};
