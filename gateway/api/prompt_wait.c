/* A stream to which nothing comes says so, and how many are before it. */
#include "api/prompt_state.h"
#include "base/clock.h"

static void on_position(void *ctx, const json_t *answer, const char *type, const struct og_error *err)
{
	struct og_prompt *p = ctx;
	const json_t *ahead = json_object_get(json_object_get(answer, "job"), "ahead");
	struct og_buf out;

	(void)type;
	(void)err;
	p->position = NULL;
	if (!p->c)
		return;
	og_buf_init(&out, OG_PROMPT_OUT_MAX);
	p->form->wait(p, json_is_integer(ahead) ? json_integer_value(ahead) : -1, &out);
	og_prompt_send(p, &out);
}

static void say_waiting(struct og_prompt *p)
{
	struct og_error err;

	if (!p->form->wait || og_clock_mono_ms() - p->heard_ms < OG_PROMPT_WAIT_MS / 2 || p->position)
		return;
	p->position =
		og_link_ask(p->api->link, "job", json_pack("{s:s}", "id", p->id), OG_ANSWER_MS, on_position, p, &err);
	if (!p->position)
		on_position(p, NULL, "", &err);
}

void og_prompt_on_timer(uv_timer_t *timer)
{
	struct og_prompt *p = timer->data;
	struct og_buf out;

	if (!p->c) {
		og_job_yield(p->job);
	} else if (p->streaming) {
		say_waiting(p);
	} else {
		og_buf_init(&out, OG_PROMPT_OUT_MAX);
		og_prompt_begin_stream(p, &out);
		if (p->form->wait)
			p->form->wait(p, -1, &out);
		og_prompt_send(p, &out);
	}
}
