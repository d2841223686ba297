#include "cli.h"

#include <locale.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/parse.h"
#include "loop.h"

static const char producer[] = "producer", operator[] = "operator";

const struct og_option og_common_options[] = {
	{"config", 0, "FILE", OG_OPTION_TEXT, offsetof(struct og_common, config), 0, 0,
		"settings from this file instead of <root>/config.ini"},
	{"set", 0, "KEY=VALUE", OG_OPTION_LIST, offsetof(struct og_common, sets), 0, 0,
		"one setting, as section.key=value; may be repeated"},
	{"connect-timeout", 0, "TIME", OG_OPTION_DURATION, offsetof(struct og_common, connect_timeout_ms), 100, 3600000,
		"give up when the broker was not reached in this time (10s)"},
	{"json", 0, NULL, OG_OPTION_FLAG, offsetof(struct og_common, json), 0, 0, "print JSON instead of text"},
	{"quiet", 'q', NULL, OG_OPTION_FLAG, offsetof(struct og_common, quiet), 0, 0,
		"no progress on stderr, only errors"},
	{"help", 'h', NULL, OG_OPTION_FLAG, offsetof(struct og_common, help), 0, 0, "print this help"},
};
const size_t og_n_common_options = OG_COUNT(og_common_options);

enum og_exit og_cli_fail(struct og_cli *c, enum og_exit exit, const struct og_error *err)
{
	og_screen_error(&c->screen, "%s", err->message);
	return exit;
}

enum og_exit og_cli_usage(struct og_cli *c, const char *fmt, ...)
{
	og_autofree char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	og_screen_error(&c->screen, "%s (`og %s --help`)", text ? text : "wrong usage", c->verb->name);
	return OG_EXIT_USAGE;
}

enum og_exit og_cli_json(struct og_cli *c, json_t *json)
{
	int rc = og_screen_json(&c->screen, json);

	json_decref(json);
	return rc < 0 ? OG_EXIT_INTERNAL : OG_EXIT_ANSWERED;
}

enum og_exit og_cli_table(struct og_cli *c, struct og_table *table)
{
	int rc = og_table_print(table, &c->screen);

	og_table_free(table);
	return rc < 0 ? OG_EXIT_INTERNAL : OG_EXIT_ANSWERED;
}

bool og_cli_may_operate(const struct og_cli *c)
{
	og_autofree char *path = og_printf("%s/%s.credentials", c->settings.secrets, operator);

	return access(path, F_OK) == 0;
}

int og_cli_session(const struct og_cli *c, bool deaf, char user[static OG_NAME_MAX], struct og_session_config *ret,
	struct og_error *err)
{
	const char *role = c->operates && og_cli_may_operate(c) ? operator: producer;
	struct og_credentials credentials;

	if (og_credentials_load(&c->settings, role, &credentials, err) < 0)
		return -1;
	strcpy(user, credentials.user);
	*ret = (struct og_session_config){
		.settings = &c->settings,
		.role = role,
		.user = user,
		.deaf = deaf,
		.connect_ms = c->common.connect_timeout_ms,
		.lost_ms = OG_LOST_MS,
		.dial = og_session_dial,
	};
	return 0;
}

static enum og_exit unknown_verb(struct og_cli *c, const char *name)
{
	const char *nearest = NULL;
	size_t least = 4;

	for (size_t i = 0; i < og_n_verbs; i++) {
		size_t distance = og_edit_distance(name, og_verbs[i]->name);

		if (distance < least) {
			least = distance;
			nearest = og_verbs[i]->name;
		}
	}
	if (nearest)
		og_screen_error(&c->screen, "no verb '%s': did you mean `og %s`?", name, nearest);
	else
		og_screen_error(&c->screen, "no verb '%s': `og help` lists them", name);
	return OG_EXIT_USAGE;
}

/* Options, settings, and the verb itself. */
static enum og_exit run_verb(struct og_cli *c, int argc, char **argv)
{
	const struct og_verb *v = c->verb;
	struct og_options sets[] = {
		{v->options, v->n_options, c->options},
		{og_common_options, og_n_common_options, &c->common},
	};
	struct og_error err;

	if (og_options_parse(sets, OG_COUNT(sets), argc, argv, &c->n_args, &err) < 0)
		return og_cli_usage(c, "%s", err.message);
	c->args = argv;
	c->screen.quiet = c->common.quiet;
	if (c->common.help) {
		og_help_verb(v, stdout);
		return OG_EXIT_ANSWERED;
	}
	if (c->n_args < v->min)
		return og_cli_usage(c, "an argument is missing: og %s %s", v->name, v->arguments);
	if (c->n_args > v->max)
		return og_cli_usage(c, "an argument too many: '%s'", argv[v->max]);
	if (!v->bare && og_settings_load(c->common.config, c->common.sets.items, &c->settings, &err) < 0)
		return og_cli_fail(c, OG_EXIT_USAGE, &err);
	return v->run(c);
}

enum og_exit og_cli_main(int argc, char **argv)
{
	struct og_cli c = {.common.connect_timeout_ms = 10000};
	const char *name = argc > 1 ? argv[1] : "help";
	enum og_exit exit;

	setlocale(LC_CTYPE, "");
	/* A closed stdout is noticed by its write; the job is cancelled then. */
	signal(SIGPIPE, SIG_IGN);
	og_log_init("og", OG_LOG_WARN);
	if (!strcmp(name, "--help") || !strcmp(name, "-h"))
		name = "help";
	else if (!strcmp(name, "--version"))
		name = "version";
	og_screen_init(&c.screen, false);
	c.verb = og_verb_find(name);
	if (c.verb) {
		c.operates = c.verb->operates;
		c.options = og_alloc(c.verb->options_size);
		if (c.verb->options_size)
			memcpy(c.options, c.verb->defaults, c.verb->options_size);
		exit = run_verb(&c, argc > 2 ? argc - 2 : 0, argv + (argc > 2 ? 2 : argc));
	} else {
		exit = unknown_verb(&c, name);
	}
	og_screen_done(&c.screen);
	og_settings_done(&c.settings);
	free(c.options);
	og_loop_exit_if_left((int)exit);
	return exit;
}
