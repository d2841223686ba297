#include "gate.h"

#include <glob.h>
#include <inttypes.h>
#include <string.h>

#include "answer.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/file.h"
#include "node.h"
#include "service/service.h"
#include "show.h"

#define WITHIN_MS 10000

/* RETRY: no gateway answers. INVALID: the request is none. FATAL: the answer is none. */
static int call_any(const struct og_settings *s, const json_t *request, json_t **ret, struct og_error *err)
{
	og_autofree char *pattern = og_path_join(s->root, "run/gateway-*.sock");
	glob_t found = {0};
	int rc = -1;

	glob(pattern, 0, NULL, &found);
	for (size_t i = 0; i < found.gl_pathc && rc != 0; i++) {
		rc = og_control_call(found.gl_pathv[i], request, WITHIN_MS, ret, err);
		if (rc != 0 && err->kind != OG_RETRY)
			break; /* it was reached: what was asked may have been done */
	}
	globfree(&found);
	if (rc != 0 && err->kind == OG_BUSY)
		og_error_prefix(err, "the gateway did not answer, look into %s/logs/gateway.log", s->root);
	else if (rc != 0 && err->kind != OG_INVALID && err->kind != OG_FATAL)
		og_error_set(err, OG_RETRY,
			"no gateway runs here (nobody listens on %s): `og start` starts this machine's, `og status` "
			"shows it; "
			"or run this where one runs",
			pattern);
	return rc;
}

static enum og_exit exit_of(const char *type)
{
	if (!strcmp(type, og_kind_name(OG_INVALID)))
		return OG_EXIT_USAGE;
	return !strcmp(type, og_kind_name(OG_BUSY)) ? OG_EXIT_BUSY : OG_EXIT_NOT_CONNECTED;
}

enum og_exit og_gate_ask(struct og_cli *c, const char *verb, json_t *request, json_t **ret)
{
	const char *type, *message;
	struct og_error err = {0};
	json_t *answer;
	enum og_exit exit;
	int rc;

	json_object_set_new(request, "verb", json_string(verb));
	rc = call_any(&c->settings, request, &answer, &err);
	json_decref(request);
	if (rc != 0)
		return og_cli_fail(c, og_node_exit(&err), &err);
	if (!og_answer_refused(answer, &type, &message)) {
		*ret = answer;
		return OG_EXIT_ANSWERED;
	}
	exit = exit_of(type);
	if (exit == OG_EXIT_NOT_CONNECTED)
		og_error_set(&err, OG_RETRY,
			"%s; where it stays so, `og status` and %s/logs/store.log tell of the gateways' store", message,
			c->settings.root);
	else
		og_error_set(&err, OG_INVALID, "%s", message);
	json_decref(answer);
	return og_cli_fail(c, exit, &err);
}

enum og_exit og_gate_ask_all(struct og_cli *c, const char *verb, json_t *request, const char *list, json_t **ret)
{
	json_t *all = json_array(), *answer;
	enum og_exit exit;

	for (;;) {
		const json_t *next;

		exit = og_gate_ask(c, verb, json_incref(request), &answer);
		if (exit != OG_EXIT_ANSWERED)
			break;
		json_array_extend(all, json_object_get(answer, list));
		next = json_object_get(answer, "next");
		if (!next) {
			json_object_set(answer, list, all);
			*ret = answer;
			break;
		}
		json_object_set(request, "from", (json_t *)next);
		json_decref(answer);
	}
	json_decref(all);
	json_decref(request);
	return exit;
}

/* ---- limits ---- */

static void add(json_t *request, const char *name, int64_t value)
{
	if (value >= 0)
		json_object_set_new(request, name, json_integer(value));
}

void og_gate_add_limits(json_t *request, const struct og_gate_limits *l)
{
	add(request, "requests_per_minute", l->requests);
	add(request, "tokens_per_minute", l->tokens);
	add(request, "running", l->running);
	add(request, "budget", l->budget);
	if (l->per)
		json_object_set_new(request, "budget_per", json_string(l->per));
}

char *og_gate_limits_words(const json_t *object)
{
	static const struct {
		const char *name, *words;
	} limits[] = {
		{"requests_per_minute", "requests/min"},
		{"tokens_per_minute", "tokens/min"},
		{"running", "at once"},
		{"budget", "tokens"},
	};
	struct og_buf words;

	og_buf_init(&words, 4096);
	for (size_t i = 0; i < OG_COUNT(limits); i++) {
		int64_t value = og_show_int(object, limits[i].name);

		if (value)
			og_buf_addf(&words, "%s%" PRId64 " %s", words.len ? ", " : "", value, limits[i].words);
	}
	if (og_show_int(object, "budget"))
		og_buf_addf(&words, " (%s)", og_show_text(object, "budget_per"));
	return og_buf_take(&words);
}
