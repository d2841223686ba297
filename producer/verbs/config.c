#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/config.h"
#include "base/file.h"
#include "base/ini_edit.h"
#include "verbs.h"

struct config {
	bool sample, markdown;
	const char *write;
};

static const struct config defaults = {0};

static const struct og_option options[] = {
	{"sample", 0, NULL, OG_OPTION_FLAG, offsetof(struct config, sample), 0, 0,
		"a config.ini with every key, its default and what it means"},
	{"markdown", 0, NULL, OG_OPTION_FLAG, offsetof(struct config, markdown), 0, 0, "the tables of docs/CONFIG.md"},
	{"write", 0, "SECTION.KEY=VALUE", OG_OPTION_TEXT, offsetof(struct config, write), 0, 0,
		"change one key of <root>/config.ini; its other lines stay as they are"},
};

static json_t *value_of(const struct og_config_row *row, const void *base)
{
	const void *field = (const char *)base + row->offset;

	switch (row->type) {
	case OG_CONFIG_STRING:
		return json_string(*(char *const *)field ? *(char *const *)field : "");
	case OG_CONFIG_BOOL:
		return json_boolean(*(const bool *)field);
	case OG_CONFIG_INT:
	case OG_CONFIG_DURATION:
	case OG_CONFIG_BYTES:
		break;
	}
	return json_integer(*(const int64_t *)field);
}

/* {"root": …, "section": {"key": …}}; durations in ms, sizes in bytes. */
static json_t *effective(const struct og_settings *s)
{
	json_t *all = json_pack("{s:s}", "root", s->root);

	for (size_t i = 0; i < og_settings_n_rows; i++) {
		const struct og_config_row *row = &og_settings_rows[i];
		json_t *section = json_object_get(all, row->section);

		if (!section) {
			section = json_object();
			json_object_set_new(all, row->section, section);
		}
		json_object_set_new(section, row->key, value_of(row, s));
	}
	return all;
}

/* The same as a file that would give these settings. */
static enum og_exit print(struct og_cli *c)
{
	static const char *const units[] = {[OG_CONFIG_INT] = "", [OG_CONFIG_DURATION] = "ms", [OG_CONFIG_BYTES] = ""};
	const char *section = NULL;

	printf("; root: %s\n", c->settings.root);
	for (size_t i = 0; i < og_settings_n_rows; i++) {
		const struct og_config_row *row = &og_settings_rows[i];
		const void *field = (const char *)&c->settings + row->offset;

		if (row->section != section)
			printf("\n[%s]\n", row->section);
		section = row->section;
		if (row->type == OG_CONFIG_STRING)
			printf("%s = %s\n", row->key, *(char *const *)field ? *(char *const *)field : "");
		else if (row->type == OG_CONFIG_BOOL)
			printf("%s = %s\n", row->key, *(const bool *)field ? "yes" : "no");
		else
			printf("%s = %" PRId64 "%s\n", row->key, *(const int64_t *)field, units[row->type]);
	}
	return fflush(stdout) ? OG_EXIT_INTERNAL : OG_EXIT_ANSWERED;
}

/* What the table does not take never reaches the file. */
static enum og_exit write_key(struct og_cli *c, const char *assignment)
{
	og_autofree char *path = og_path_join(c->settings.root, "config.ini");
	og_autofree char *section = NULL, *key = NULL;
	const char *dot, *equal;
	struct og_error err;

	if (og_config_set(og_settings_rows, og_settings_n_rows, &c->settings, assignment, &err) < 0)
		return og_cli_fail(c, OG_EXIT_USAGE, &err);
	dot = strchr(assignment, '.');
	equal = strchr(assignment, '=');
	section = og_strndup(assignment, (size_t)(dot - assignment));
	key = og_strndup(dot + 1, (size_t)(equal - dot - 1));
	if (og_ini_set_file(path, section, key, equal + 1, &err) < 0)
		return og_cli_fail(c, OG_EXIT_INTERNAL, &err);
	return OG_EXIT_ANSWERED;
}

static enum og_exit run(struct og_cli *c)
{
	const struct config *o = c->options;

	if (o->write)
		return write_key(c, o->write);
	if (o->sample)
		og_config_print_sample(og_settings_rows, og_settings_n_rows, stdout);
	else if (o->markdown)
		og_config_print_markdown(og_settings_rows, og_settings_n_rows, stdout);
	else if (c->common.json)
		return og_cli_json(c, effective(&c->settings));
	else
		return print(c);
	return fflush(stdout) ? OG_EXIT_INTERNAL : OG_EXIT_ANSWERED;
}

const struct og_verb og_verb_config = {
	.name = "config",
	.arguments = "",
	.summary = "prints the settings in effect",
	.options = options,
	.n_options = OG_COUNT(options),
	.defaults = &defaults,
	.options_size = sizeof(defaults),
	.run = run,
};
