#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "follow.h"
#include "joined.h"
#include "loop.h"
#include "model/names.h"
#include "request.h"
#include "verbs.h"

#define DAY_MS INT64_C(86400000)

struct prompt {
	struct og_request request;
	const char *file;
	bool stream, no_stream, not_here;
	int64_t timeout_ms;
};

static const struct prompt defaults = {
	.request = {.temperature = NAN, .seed = OG_SEED_UNSET},
};

#define AT(field) offsetof(struct prompt, field)

static const struct og_option options[] = {
	{"file", 'f', "PATH", OG_OPTION_TEXT, AT(file), 0, 0, "the prompt is this file's text"},
	{"model", 'm', "NAME", OG_OPTION_TEXT, AT(request.model), 0, 0,
		"a model's name or alias; the tier follows from it"},
	{"tier", 't', "TIER", OG_OPTION_TEXT, AT(request.tier), 0, 0, "a tier of the catalogue, or auto"},
	{"system", 's', "TEXT", OG_OPTION_TEXT, AT(request.system), 0, 0, "a system message before the prompt"},
	{"max-tokens", 'n', "N", OG_OPTION_INT, AT(request.max_tokens), 1, 1000000, "the longest answer, in tokens"},
	{"temperature", 0, "T", OG_OPTION_REAL, AT(request.temperature), 0, 2, "0 (always the likeliest word) to 2"},
	{"seed", 0, "N", OG_OPTION_INT, AT(request.seed), 0, INT64_C(0x7fffffffffffffff),
		"for an answer that can be repeated"},
	{"stop", 0, "TEXT", OG_OPTION_LIST, AT(request.stop), 0, 0, "ends the answer where it comes; may be repeated"},
	{"class", 0, "CLASS", OG_OPTION_TEXT, AT(request.class_name), 0, 0, "high, normal or batch"},
	{"region", 0, "REGION", OG_OPTION_TEXT, AT(request.region), 0, 0,
		"a node of this region, where one serves the tier"},
	{"session", 0, "NAME", OG_OPTION_TEXT, AT(request.session), 0, 0,
		"prompts of one session go to the node that had the last one, if they can"},
	{"not-here", 0, NULL, OG_OPTION_FLAG, AT(not_here), 0, 0, "not on this machine's own nodes"},
	{"deadline", 0, "TIME", OG_OPTION_DURATION, AT(request.deadline_in_ms), 100, 30 * DAY_MS,
		"the cluster drops the job when it is not done in this time, as 30s or 2h"},
	{"timeout", 0, "TIME", OG_OPTION_DURATION, AT(timeout_ms), 100, 30 * DAY_MS,
		"cancel it when no answer came in this time"},
	{"request-id", 0, "UUID", OG_OPTION_UUID, AT(request.id), 0, 0,
		"the job's id: the same one again gives the same job, not another"},
	{"idempotency-key", 0, "KEY", OG_OPTION_TEXT, AT(request.key), 0, 0,
		"likewise by a name of yours, 1 to 255 bytes long: the job's id is made of it"},
	{"stream", 0, NULL, OG_OPTION_FLAG, AT(stream), 0, 0, "print words as they come, into a pipe as well"},
	{"no-stream", 0, NULL, OG_OPTION_FLAG, AT(no_stream), 0, 0,
		"print the answer when it is whole, on a terminal as well"},
	{"detach", 'd', NULL, OG_OPTION_FLAG, AT(request.detach), 0, 0,
		"print the job's id when the cluster has it, and leave: `og wait` gets the answer"},
};

static enum og_exit print_id(struct og_cli *c, const char *id)
{
	og_autofree char *line = og_printf("%s\n", id);

	if (c->common.json)
		return og_cli_json(c, json_pack("{s:s}", "id", id));
	return og_screen_answer(&c->screen, line, OG_ID_LEN + 1) < 0 ? OG_EXIT_INTERNAL : OG_EXIT_ANSWERED;
}

/* A name that the cluster would refuse is refused here. */
static int check(const struct og_envelope *e, struct og_error *err)
{
	struct og_message m = {0};
	struct og_envelope read;

	og_envelope_encode(e, &m);
	return og_envelope_decode(&m, &read, err);
}

static enum og_exit send_and_follow(struct og_cli *c, const struct og_session_config *config, const char *id,
	const struct og_envelope *e, const char *body, size_t body_len)
{
	const struct prompt *p = c->options;
	const struct og_follow_job job = {
		.id = id,
		.request = e,
		.body = body,
		.body_len = body_len,
		.stream = e->stream,
		.json = c->common.json,
		.detach = p->request.detach,
		.timeout_ms = p->timeout_ms,
	};
	enum og_exit exit;
	uv_loop_t *loop = og_loop_new();

	exit = og_follow(loop, config, &job, &og_follow_usual, &c->screen);
	og_loop_free(loop);
	return exit == OG_EXIT_ANSWERED && job.detach ? print_id(c, id) : exit;
}

/* Where it must not run. */
static int avoid_this_machine(struct og_cli *c, char **ret, struct og_error *err)
{
	if (og_joined_ids(&c->settings, ret, err) < 0)
		return -1;
	if (!**ret)
		og_screen_note(
			&c->screen, "this machine has no node in %s: --not-here changes nothing", c->settings.cluster);
	return 0;
}

/* The parts that need no server. -1: wrong usage. */
static int prepare(struct og_cli *c, char **ret_body, size_t *ret_len, struct og_error *err)
{
	struct prompt *p = c->options;
	og_autofree char *text = NULL;
	size_t len;

	if (p->request.id && p->request.key)
		return og_fail(err, OG_INVALID, "--request-id and --idempotency-key are two ids: give one");
	if (og_prompt_read(c->args, c->n_args, p->file, &text, &len, err) < 0)
		return -1;
	return og_request_body(&p->request, text, len, ret_body, ret_len, err);
}

static int choose_id(const struct prompt *p, const char *user, char ret[static OG_ID_LEN + 1], struct og_error *err)
{
	if (p->request.key)
		return og_request_id_of_key(p->request.key, user, ret, err);
	if (p->request.id)
		snprintf(ret, OG_ID_LEN + 1, "%s", p->request.id);
	else
		og_uuid_new(ret);
	return 0;
}

static enum og_exit run(struct og_cli *c)
{
	struct prompt *p = c->options;
	og_autofree char *body = NULL, *avoid = NULL;
	char id[OG_ID_LEN + 1], user[OG_NAME_MAX] = "";
	struct og_session_config config;
	struct og_envelope e;
	struct og_error err, no_session;
	size_t body_len;
	int rc;

	if (p->stream && (p->no_stream || c->common.json))
		return og_cli_usage(c, "--stream goes with neither --no-stream nor --json");
	/* What was printed into a pipe cannot be taken back when an attempt breaks: then only the whole answer goes
	 * there. */
	p->request.stream = p->stream || (c->screen.out_tty && !p->no_stream && !c->common.json);
	if (p->not_here && avoid_this_machine(c, &avoid, &err) < 0)
		return og_cli_fail(c, OG_EXIT_USAGE, &err);
	p->request.avoid = avoid && *avoid ? avoid : NULL;
	/* Wrong usage is told first: it is there whatever the machine's set-up lacks. */
	rc = og_cli_session(c, p->request.detach, user, &config, &no_session);
	if (prepare(c, &body, &body_len, &err) < 0 || choose_id(p, user, id, &err) < 0 ||
		og_request_envelope(&p->request, id, og_clock_wall_ms(), &e, &err) < 0 || check(&e, &err) < 0)
		return og_cli_usage(c, "%s", err.message);
	if (rc < 0)
		return og_cli_fail(c, OG_EXIT_NOT_CONNECTED, &no_session);
	return send_and_follow(c, &config, id, &e, body, body_len);
}

const struct og_verb og_verb_prompt = {
	.name = "prompt",
	.arguments = "<text>",
	.max = 4096,
	.summary = "sends a prompt and prints the answer; - reads it from stdin",
	.details = "\nThe answer, and nothing else, goes to stdout; it ends with a newline. On a terminal it appears "
		   "as it is written.\n"
		   "Several words are joined by spaces. Ctrl-C cancels the job, a second one leaves without waiting "
		   "for that.",
	.options = options,
	.n_options = OG_COUNT(options),
	.defaults = &defaults,
	.options_size = sizeof(defaults),
	.run = run,
};
