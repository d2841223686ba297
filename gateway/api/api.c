#include "api/api.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "model/json.h"

/* Anthropic's SDKs look for the request's id, which every answer has as x-request-id, under a name of their own. */
void og_api_head(struct og_web_call *c)
{
	if (og_protocol_of_path(og_web_path(c)) == OG_ANTHROPIC)
		og_web_set_header(c, "request-id", og_web_request_id(c));
}

void og_api_reply_json(struct og_web_call *c, int status, json_t *body)
{
	char *text = og_json_dump(body, 0);

	og_web_reply_owned(c, status, "application/json", text, strlen(text));
}

/* ── a question to the scheduler ── */

struct asking {
	struct og_api *api;
	struct og_web_call *c;
	struct og_question *q;
	json_t *(*form)(struct og_api *api, struct og_web_call *c, const json_t *answer);
};

static void on_answer(void *ctx, const json_t *answer, const char *type, const struct og_error *err)
{
	struct asking *a = ctx;
	struct og_refusal r;

	if (err) {
		const struct og_job_end end = {.error_type = type, .message = err->message};

		if (*type)
			og_refusal_of_end(&end, &r);
		else
			og_refusal_of_error(err, &r);
		og_refuse(a->c, &r);
	} else {
		json_t *body = a->form ? a->form(a->api, a->c, answer) : json_incref((json_t *)answer);

		if (body)
			og_api_reply_json(a->c, 200, body);
	}
	free(a);
}

static void on_gone(void *ctx)
{
	struct asking *a = ctx;

	og_question_forget(a->q);
	free(a);
}

void og_api_ask(struct og_api *api, struct og_web_call *c, const char *verb, json_t *body,
	json_t *(*form)(struct og_api *api, struct og_web_call *c, const json_t *answer))
{
	struct asking *a = og_new(struct asking);
	struct og_refusal r;
	struct og_error err;

	*a = (struct asking){.api = api, .c = c, .form = form};
	a->q = og_link_ask(api->link, verb, body, OG_ANSWER_MS, on_answer, a, &err);
	if (a->q) {
		og_web_on_gone(c, on_gone, a);
		return;
	}
	free(a);
	og_refusal_of_error(&err, &r);
	og_refuse(c, &r);
}
