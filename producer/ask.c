#include "ask.h"

#include <string.h>

#include "answer.h"
#include "base/alloc.h"
#include "base/parse.h"
#include "loop.h"
#include "model/json.h"
#include "model/names.h"

struct ask {
	const char *verb; /* NULL: no question, to be connected is enough */
	json_t *body;
	int64_t within_ms; /* of the connection's standing */
	char id[OG_ID_LEN + 1];
	uv_timer_t timer;
	struct og_session *session;
	bool over;
	unsigned open; /* of the timer and the session */
	json_t *answer;
	enum og_exit exit;
	struct og_error why;
};

static void on_timer_closed(uv_handle_t *handle)
{
	((struct ask *)handle->data)->open--;
}

static void on_session_closed(void *ctx)
{
	((struct ask *)ctx)->open--;
}

static void finish(struct ask *a, enum og_exit exit)
{
	if (a->over)
		return;
	a->over = true;
	a->exit = exit;
	uv_close((uv_handle_t *)&a->timer, on_timer_closed);
	og_session_close(a->session, on_session_closed, a);
}

static void on_late(uv_timer_t *timer)
{
	struct ask *a = timer->data;

	og_fail(&a->why, OG_RETRY,
		"the broker is there, but no scheduler answers: is og-scheduler running? (`og status`)");
	finish(a, OG_EXIT_NOT_CONNECTED);
}

static void on_up(void *ctx)
{
	struct ask *a = ctx;

	if (!a->verb) {
		finish(a, OG_EXIT_ANSWERED);
		return;
	}
	if (!uv_is_active((uv_handle_t *)&a->timer))
		uv_timer_start(&a->timer, on_late, (uint64_t)a->within_ms, 0);
	if (og_session_ask(a->session, a->verb, json_incref(a->body), a->id, &a->why) < 0)
		finish(a, OG_EXIT_INTERNAL);
}

static void on_message(void *ctx, const struct og_envelope *e, const struct og_message *m)
{
	struct ask *a = ctx;
	const char *type, *message;
	json_t *answer;

	if (a->over || strcmp(e->type, OG_T_RPC_REPLY) != 0 || !m->correlation_id ||
		strcmp(m->correlation_id, a->id) != 0)
		return;
	if (og_json_parse(m->body, m->body_len, &answer, &a->why) < 0) {
		og_fail_in(&a->why, "the scheduler's answer cannot be read");
		finish(a, OG_EXIT_INTERNAL);
		return;
	}
	if (og_answer_refused(answer, &type, &message)) {
		og_fail(&a->why, OG_INVALID, "%s: %s%s", type, message,
			strcmp(type, "not_allowed")
				? ""
				: "; the host that set up the broker has the operator's credentials: run it there");
		finish(a, og_answer_exit(type, OG_EXIT_FAILED));
		json_decref(answer);
		return;
	}
	a->answer = answer;
	finish(a, OG_EXIT_ANSWERED);
}

static void on_over(void *ctx, enum og_exit exit, const struct og_error *why)
{
	struct ask *a = ctx;

	a->why = *why;
	finish(a, exit);
}

/* From connect to close. `cluster` NULL: the configured one. */
static enum og_exit converse(const struct og_cli *c, const char *cluster, struct ask *a, struct og_error *err)
{
	struct og_session_handler handler = {.on_up = on_up, .on_message = on_message, .on_over = on_over, .ctx = a};
	struct og_session_config config;
	struct og_settings settings = c->settings;
	char user[OG_NAME_MAX];
	uv_loop_t *loop;

	if (og_cli_session(c, !a->verb, user, &config, err) < 0)
		return OG_EXIT_NOT_CONNECTED;
	if (cluster)
		settings.cluster = (char *)cluster;
	config.settings = &settings;
	loop = og_loop_new();
	a->session = og_session_open(loop, &config, &handler, err);
	if (!a->session) {
		og_loop_free(loop);
		return OG_EXIT_NOT_CONNECTED;
	}
	uv_timer_init(loop, &a->timer);
	a->timer.data = a;
	a->open = 2;
	og_loop_run(loop, &a->over, &a->open);
	og_loop_free(loop);
	if (a->exit != OG_EXIT_ANSWERED && err)
		*err = a->why;
	return cluster && a->why.kind == OG_FATAL ? OG_EXIT_NOT_FOUND : a->exit;
}

enum og_exit og_ask(const struct og_cli *c, const char *cluster, const char *verb, json_t *body, int64_t within_ms,
	json_t **ret, struct og_error *err)
{
	struct ask a = {.verb = verb, .body = body, .within_ms = within_ms};
	enum og_exit exit = converse(c, cluster, &a, err);

	json_decref(body);
	if (exit == OG_EXIT_ANSWERED)
		*ret = a.answer;
	return exit;
}

enum og_exit og_reach(const struct og_cli *c, const char *cluster, struct og_error *err)
{
	struct ask a = {0};

	return converse(c, cluster, &a, err);
}

static enum og_exit ask_or_tell(struct og_cli *c, const char *verb, json_t *body, int64_t within_ms, json_t **ret)
{
	struct og_error err;
	enum og_exit exit = og_ask(c, NULL, verb, body, within_ms, ret, &err);

	return exit == OG_EXIT_ANSWERED ? exit : og_cli_fail(c, exit, &err);
}

enum og_exit og_ask_or_tell(struct og_cli *c, const char *verb, json_t *body, json_t **ret)
{
	return ask_or_tell(c, verb, body, OG_ASK_MS, ret);
}

enum og_exit og_ask_long_or_tell(struct og_cli *c, const char *verb, json_t *body, json_t **ret)
{
	return ask_or_tell(c, verb, body, OG_ASK_LONG_MS, ret);
}

enum og_exit og_ask_about_job(struct og_cli *c, const char *verb, json_t **ret)
{
	const char *id = c->args[0];

	if (!og_uuid_valid(id))
		return og_cli_usage(c, "'%s' is no job's id", id);
	return og_ask_or_tell(c, verb, json_pack("{s:s}", "id", id), ret);
}

enum og_exit og_ask_table(struct og_cli *c, const char *cluster, const char *verb, json_t *body,
	const char *const *headings, size_t n_headings, void (*fill)(struct og_table *table, const json_t *answer))
{
	struct og_table *table;
	struct og_error err;
	enum og_exit exit;
	json_t *answer;

	exit = og_ask(c, cluster, verb, body, OG_ASK_MS, &answer, &err);
	if (exit != OG_EXIT_ANSWERED)
		return og_cli_fail(c, exit, &err);
	if (c->common.json)
		return og_cli_json(c, answer);
	table = og_table_new(headings, n_headings);
	fill(table, answer);
	json_decref(answer);
	return og_cli_table(c, table);
}

enum og_exit og_ask_say(struct og_cli *c, const char *verb, json_t *body, char *(*words)(const json_t *answer))
{
	og_autofree char *text = NULL, *line = NULL;
	json_t *answer;
	enum og_exit exit = og_ask_or_tell(c, verb, body, &answer);

	if (exit != OG_EXIT_ANSWERED)
		return exit;
	if (c->common.json)
		return og_cli_json(c, answer);
	text = words(answer);
	line = og_printf("%s\n", text);
	json_decref(answer);
	return og_screen_answer(&c->screen, line, strlen(line)) < 0 ? OG_EXIT_INTERNAL : OG_EXIT_ANSWERED;
}
