
#include "answer.h"
#include "ask.h"
#include "verbs.h"

static enum og_exit tell(struct og_cli *c, const char *id, const json_t *answer)
{
	const char *name = json_string_value(json_object_get(answer, "state"));
	const json_t *result = json_object_get(answer, "result");
	enum og_state state;
	const char *text;
	struct og_error err;
	size_t len;

	if (!name || og_state_parse(name, &state, &err) < 0) {
		og_screen_error(&c->screen, "the scheduler's answer names no state of a job");
		return OG_EXIT_INTERNAL;
	}
	if (!og_state_terminal(state)) {
		og_screen_error(&c->screen, "no result yet: the job is %s (`og wait %s` waits for it)", name, id);
		return OG_EXIT_PENDING;
	}
	text = og_answer_text(result, &len);
	if (!c->common.json && state == OG_STATE_DONE && text &&
		(og_screen_answer(&c->screen, text, len) < 0 || og_screen_answer_end(&c->screen) < 0))
		return OG_EXIT_INTERNAL;
	return og_answer_end(&c->screen, c->common.json, id, state, result);
}

static enum og_exit run(struct og_cli *c)
{
	json_t *answer;
	enum og_exit exit = og_ask_about_job(c, "result", &answer);

	if (exit != OG_EXIT_ANSWERED)
		return exit;
	exit = tell(c, c->args[0], answer);
	json_decref(answer);
	return exit;
}

const struct og_verb og_verb_result = {
	.name = "result",
	.arguments = "<id>",
	.min = 1,
	.max = 1,
	.summary = "prints the answer of a job that has ended",
	.run = run,
};
