#include "node.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "answer.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "service/service.h"

#define POLL_US    100000
#define STEADY_MS  500
#define NAMES_CAP  1024u
#define DEATHS_MAX 3 /* so often a service may die before we say so */

char *og_node_socket(const struct og_settings *s)
{
	return og_path_join(s->root, "run/supervisor.sock");
}

/* What the supervisor refuses, in its own words: a mistake of ours, or not at this moment. */
static int refused(const char *type, const char *message, struct og_error *err)
{
	return og_fail(err, !strcmp(type, og_kind_name(OG_BUSY)) ? OG_BUSY : OG_INVALID, "%s", message);
}

int og_node_call(const struct og_settings *s, const char *verb, int64_t timeout_ms, json_t **ret, struct og_error *err)
{
	og_autofree char *path = og_node_socket(s);
	json_t *request = json_pack("{s:s}", "verb", verb), *answer;
	const char *type, *message;
	int rc = og_control_call(path, request, timeout_ms, &answer, err);

	json_decref(request);
	if (rc < 0)
		return -1;
	if (og_answer_refused(answer, &type, &message)) {
		refused(type, message, err);
		json_decref(answer);
		return -1;
	}
	*ret = answer;
	return 0;
}

int og_node_call_patiently(const struct og_settings *s, const char *verb, json_t **ret, struct og_error *err)
{
	int64_t end = og_clock_mono_ms() + OG_NODE_UP_MS;
	struct og_error why;

	while (og_node_call(s, verb, end - og_clock_mono_ms(), ret, &why) < 0) {
		if (why.kind != OG_BUSY || og_clock_mono_ms() >= end) {
			if (err)
				*err = why;
			return -1;
		}
		usleep(POLL_US);
	}
	return 0;
}

enum og_exit og_node_exit(const struct og_error *err)
{
	if (err->kind == OG_INVALID)
		return OG_EXIT_USAGE;
	return err->kind == OG_FATAL ? OG_EXIT_INTERNAL : OG_EXIT_NOT_CONNECTED;
}

/* The first service that is not ready; NULL: all are. One that has no sign of readiness is ready at once, and may die the
 * next moment: it must also have lived for a while. */
static const json_t *first_unready(const json_t *status)
{
	int64_t now = og_clock_wall_ms();
	const json_t *services = json_object_get(status, "services"), *service;
	size_t i;

	json_array_foreach(services, i, service)
	{
		const char *state = json_string_value(json_object_get(service, "state"));

		if (!state || strcmp(state, "ready") != 0 ||
			now - json_integer_value(json_object_get(service, "started_ms")) < STEADY_MS)
			return service;
	}
	return NULL;
}

/* Tells what became of one look: 1 all is ready, 0 not yet, -1 it will not be. */
static int judge(
	const struct og_settings *s, const json_t *status, bool late, char name[static 64], struct og_error *err)
{
	const json_t *service = first_unready(status);
	const char *found = json_string_value(json_object_get(service, "name"));
	json_int_t deaths = json_integer_value(json_object_get(service, "in_a_row"));

	if (!service)
		return 1;
	snprintf(name, 64, "%s", found ? found : "?");
	if (deaths < DEATHS_MAX && !late)
		return 0;
	return og_fail(err, OG_RETRY, "%s %s: look at %s/logs/%s.log", name,
		deaths < DEATHS_MAX ? "is not ready yet" : "dies again and again", s->root, name);
}

int og_node_wait_ready(const struct og_settings *s, int64_t within_ms, void (*on_wait)(void *ctx, const char *service),
	void *ctx, struct og_error *err)
{
	int64_t end = og_clock_mono_ms() + within_ms;

	for (;;) {
		char name[64] = "";
		json_t *status;
		int rc;

		if (og_node_call_patiently(s, "status", &status, err) < 0)
			return -1;
		rc = judge(s, status, og_clock_mono_ms() > end, name, err);
		json_decref(status);
		if (rc)
			return rc < 0 ? -1 : 0;
		if (on_wait)
			on_wait(ctx, name);
		usleep(POLL_US);
	}
}

/* ── what runs by settings that have changed ── */

static int64_t written_ms(const char *path)
{
	struct stat st;

	return stat(path, &st) < 0 ? 0 : (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
}

static int64_t started_ms(const json_t *services, const char *name)
{
	const json_t *service;
	size_t i;

	json_array_foreach(services, i, service)
	{
		const char *its = json_string_value(json_object_get(service, "name"));

		if (its && !strcmp(its, name))
			return json_integer_value(json_object_get(service, "started_ms"));
	}
	return 0;
}

/* Ours read config.ini; servers and engines of others have files of their own. */
static bool is_ours(const char *command)
{
	static const char *const ours[] = {"og-scheduler", "og-gateway", "og-worker"};
	const char *slash = command ? strrchr(command, '/') : NULL;

	for (size_t i = 0; command && i < OG_COUNT(ours); i++)
		if (!strcmp(slash ? slash + 1 : command, ours[i]))
			return true;
	return false;
}

char *og_node_outdated(const struct og_settings *s, const json_t *services)
{
	og_autofree char *config = og_path_join(s->root, "config.ini"),
			 *pattern = og_path_join(s->root, "services/*.ini");
	int64_t changed = written_ms(config), catalogue = *s->catalogue ? written_ms(s->catalogue) : 0;
	glob_t found = {0};
	struct og_buf names;

	if (catalogue > changed)
		changed = catalogue;
	og_buf_init(&names, NAMES_CAP);
	if (json_array_size(services) && glob(pattern, 0, NULL, &found) == 0) {
		for (size_t i = 0; i < found.gl_pathc; i++) {
			struct og_supervised service;
			int64_t started;

			if (og_supervised_parse(found.gl_pathv[i], &service, NULL) < 0)
				continue;
			started = is_ours(service.args[0]) ? started_ms(services, service.name) : 0;
			if (started && started < changed)
				og_buf_addf(&names, "%s%s", names.len ? ", " : "", service.name);
			og_supervised_done(&service);
		}
	}
	globfree(&found);
	return og_buf_take(&names);
}
