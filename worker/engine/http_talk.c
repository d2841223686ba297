#include "engine/http_talk.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "engine/http_run.h"
#include "model/json_text.h"

struct og_http_talk *og_http_talk_new(const struct og_request *q)
{
	struct og_http_talk *t = og_new(struct og_http_talk);

	t->request = json_incref(q->body);
	t->talk.operation = q->operation;
	t->talk.request = t->request;
	og_buf_init(&t->answer, OG_TALK_ANSWER_MAX);
	return t;
}

void og_http_talk_free(struct og_http_talk *t)
{
	if (!t)
		return;
	json_decref(t->talk.texts);
	json_decref(t->response);
	json_decref(t->request);
	og_buf_done(&t->answer);
	free(t);
}

/* Does what the dialect said comes next. -1: the question could not be asked. */
static int do_turn(struct og_engine_run *r, struct og_dialect_turn *turn, struct og_error *err)
{
	struct og_http_talk *t = r->talk;
	og_autofree char *body = NULL, *url = NULL;

	if (turn->fault)
		og_engine_stream_fault(&r->stream, turn->fault, "%s", turn->words);
	t->response = turn->response;
	if (!turn->path)
		return 0;
	body = og_json_line(turn->body, 0);
	json_decref(turn->body);
	url = og_printf("%s%s", turn->below_api ? r->engine->api : r->engine->root, turn->path);
	t->may_lack = turn->may_lack;
	og_buf_clear(&t->answer);
	return og_http_run_post(r, url, body, err);
}

int og_http_talk_begin(struct og_engine_run *r, struct og_error *err)
{
	struct og_dialect_turn turn = {0};

	r->talk->talk.model = r->stream.run.model;
	r->engine->dialect->turn(&r->talk->talk, NULL, &turn);
	return do_turn(r, &turn, err);
}

bool og_http_talk_is_lacking(const struct og_engine_run *r)
{
	return r->talk->may_lack && (r->status == 404 || r->status == 405 || r->status == 501);
}

/* What it answered; NULL: nothing, because it has no such path. False: it is at fault. */
static bool read_answer(struct og_engine_run *r, json_t **ret)
{
	struct og_http_talk *t = r->talk;

	*ret = NULL;
	if (og_http_talk_is_lacking(r))
		return true;
	*ret = og_json_load(og_buf_str(&t->answer), t->answer.len, JSON_ALLOW_NUL, NULL);
	if (json_is_object(*ret) || t->may_lack)
		return true;
	json_decref(*ret);
	og_engine_stream_fault(&r->stream, OG_FAULT_ENGINE_GARBAGE, "the engine answered with what is no JSON object");
	return false;
}

bool og_http_talk_next(struct og_engine_run *r)
{
	struct og_dialect_turn turn = {0};
	struct og_error err = {0};
	json_t *answer;

	if (!read_answer(r, &answer))
		return false;
	r->engine->dialect->turn(&r->talk->talk, answer, &turn);
	json_decref(answer);
	if (do_turn(r, &turn, &err) < 0)
		og_engine_stream_fault(&r->stream, OG_FAULT_ENGINE_UNAVAILABLE, "the engine: %s", err.message);
	return turn.path && !r->stream.fault;
}
