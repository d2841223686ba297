#include "done.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "model/json.h"
#include "model/message.h"

#define TOKENS_PER_S_MAX 1000000.0 /* beyond it the clock was too coarse for what was measured */

double og_done_tokens_per_s(const struct og_run *r)
{
	int64_t tokens = r->completion_tokens, us = r->ended_us - r->first_token_us;
	double rate;

	if (tokens < 2 || !r->first_token_us || us <= 0)
		return 0;
	rate = (double)(tokens - 1) * 1e6 / (double)us; /* the first token's time is the prompt's */
	return rate < TOKENS_PER_S_MAX ? rate : 0;
}

static json_int_t ms(int64_t from_us, int64_t to_us)
{
	return from_us && to_us > from_us ? (json_int_t)((to_us - from_us) / 1000) : 0;
}

static void add_run(json_t *body, const struct og_run *r, const struct og_identity *who)
{
	bool queued = r->accepted_ms && r->started_ms > r->accepted_ms;

	json_object_set_new(body, "timings",
		json_pack("{s:I, s:I, s:I, s:f}", "queue_ms", (json_int_t)(queued ? r->started_ms - r->accepted_ms : 0),
			"first_token_ms", ms(r->started_us, r->first_token_us), "run_ms",
			ms(r->started_us, r->ended_us), "tokens_per_s", og_done_tokens_per_s(r)));
	json_object_set_new(body, "node",
		json_pack("{s:s, s:o, s:o}", "id", who->node_id, "name", og_json_text(who->node_name), "worker",
			og_json_text(who->worker)));
	json_object_set_new(body, "model", og_json_text(who->engine_model));
	json_object_set_new(body, "tier", og_json_text(who->tier));
}

char *og_done_answer(const struct og_run *r, const struct og_identity *who)
{
	json_t *body = json_object();
	char *out;

	json_object_set_new(body, "response", og_answer_response(&r->answer, who->tier));
	add_run(body, r, who);
	out = og_json_dump(body, 0);
	if (strlen(out) <= OG_BODY_MAX)
		return out;
	free(out);
	return NULL;
}

char *og_done_error(const struct og_run *r, const struct og_identity *who, const char *words)
{
	json_t *body = json_object();

	json_object_set_new(body, "error",
		json_pack("{s:s, s:o}", "type", og_fault_name(r->fault), "message", og_json_text(words)));
	if (r->started_ms)
		add_run(body, r, who);
	return og_json_dump(body, 0);
}
