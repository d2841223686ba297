#include "api/body.h"

#include <stdlib.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/parse.h"
#include "model/json.h"

#define LARGE (64u * 1024)

static bool is_json(const struct og_web_call *c)
{
	const char *type = og_web_header(c, "content-type");

	return !type || !strncasecmp(type, "application/json", 16) || !strncasecmp(type, "text/plain", 10) ||
	       !strncasecmp(type, "application/x-www-form-urlencoded", 33); /* what curl -d says of what it sends */
}

/* In whatever thread. */
static int parse(const char *text, size_t len, json_t **ret, struct og_refusal *why)
{
	struct og_error err;
	size_t bad;

	if (!len)
		return og_refuse_with(why, 400, "invalid_json", "the request has no body: send a JSON object");
	if (!og_utf8_valid(text, len, &bad))
		return og_refuse_with(why, 400, "invalid_json", "the body is not UTF-8: byte %zu", bad);
	if (og_json_check(text, len, &err) < 0 || og_json_parse(text, len, ret, &err) < 0)
		return og_refuse_with(why, 400, "invalid_json", "the body is not a JSON object: %s", err.message);
	return 0;
}

json_t *og_api_json_body(struct og_web_call *c)
{
	const struct og_caller *who = og_api_caller(c);
	struct og_refusal why;
	json_t *body;
	size_t len;
	const char *text = og_web_body(c, &len);

	if (who->body)
		return json_incref(who->body);
	if (!is_json(c))
		og_refuse_with(&why, 415, "unsupported_media_type", "the body is to be application/json, not %.100s",
			og_web_header(c, "content-type"));
	else if (parse(text, len, &body, &why) == 0)
		return body;
	og_refuse(c, &why);
	return NULL;
}

/* ── beside the loop ── */

struct parsing {
	uv_work_t work;
	struct og_api *api;
	struct og_web_call *c; /* NULL: its client has gone, and its body with it: the text is a copy */
	og_handler *next;
	char *text;
	size_t len;
	json_t *body; /* NULL: refused */
	struct og_refusal why;
};

static void on_gone(void *ctx)
{
	struct parsing *p = ctx;

	p->c = NULL;
	/* Where it waits for a thread still: nobody parses it, and its text goes at once. */
	uv_cancel((uv_req_t *)&p->work);
}

static void in_thread(uv_work_t *work)
{
	struct parsing *p = work->data;

	parse(p->text, p->len, &p->body, &p->why);
}

static void on_parsed(uv_work_t *work, int status)
{
	struct parsing *p = work->data;
	struct og_caller *who;

	(void)status; /* cancelled: its client has gone */
	if (p->c) {
		og_web_on_gone(p->c, NULL, NULL); /* ours ends here; its route says who is told from now on */
		who = og_web_kept(p->c);
		who->body = OG_TAKE(p->body);
		if (who->body)
			p->next(p->api, p->c);
		else
			og_refuse(p->c, &p->why);
	}
	json_decref(p->body);
	free(p->text);
	free(p);
}

void og_body_ready(struct og_api *api, struct og_web_call *c, og_handler *next)
{
	size_t len;
	const char *text = og_web_body(c, &len);
	struct parsing *p;

	if (len <= LARGE || !is_json(c)) {
		next(api, c);
		return;
	}
	p = og_new(struct parsing);
	*p = (struct parsing){.api = api, .c = c, .next = next, .text = og_memdup(text, len), .len = len};
	p->work.data = p;
	og_web_on_gone(c, on_gone, p);
	uv_queue_work(api->loop, &p->work, in_thread, on_parsed);
}

void og_body_forget(struct og_web_call *c)
{
	struct og_caller *who = og_web_kept(c);

	if (who)
		json_decref(OG_TAKE(who->body));
}
