#include "base/config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/ini.h"
#include "base/parse.h"

#define FILE_CAP   (256u * 1024)
#define STRING_MAX 4096

struct table {
	const struct og_config_row *rows;
	size_t n;
	void *base;
};

static int64_t string_max(const struct og_config_row *row)
{
	return row->max ? row->max : STRING_MAX;
}

static int set_string(const struct og_config_row *row, char **field, const char *text, struct og_error *err)
{
	size_t len = strlen(text);

	if ((int64_t)len > string_max(row))
		return og_fail(
			err, OG_INVALID, "%zu bytes long, at most %" PRId64 " are allowed", len, string_max(row));
	if (!og_utf8_valid(text, len, NULL))
		return og_fail(err, OG_INVALID, "not UTF-8");
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			return og_fail(err, OG_INVALID, "holds a control character");
	free(*field);
	*field = og_strdup(text);
	return 0;
}

static int set_row(const struct og_config_row *row, void *base, const char *text, struct og_error *err)
{
	void *field = (char *)base + row->offset;
	int rc = -1;

	switch (row->type) {
	case OG_CONFIG_STRING:
		rc = set_string(row, field, text, err);
		break;
	case OG_CONFIG_BOOL:
		rc = og_parse_bool(text, field, err);
		break;
	case OG_CONFIG_INT:
		rc = og_parse_int(text, row->min, row->max, field, err);
		break;
	case OG_CONFIG_DURATION:
		rc = og_parse_duration_ms(text, row->min, row->max, field, err);
		break;
	case OG_CONFIG_BYTES:
		rc = og_parse_bytes(text, row->min, row->max, field, err);
		break;
	}
	return rc ? og_fail_in(err, "%s.%s", row->section, row->key) : 0;
}

static int fail_unknown(const struct table *t, const char *section, const char *key, struct og_error *err)
{
	const struct og_config_row *nearest = t->rows;
	size_t least = SIZE_MAX;

	/* The right key in a wrong section is nearer than another key of the right one. */
	for (size_t i = 0; i < t->n; i++) {
		size_t distance =
			2 * og_edit_distance(key, t->rows[i].key) + og_edit_distance(section, t->rows[i].section);

		if (distance < least) {
			least = distance;
			nearest = &t->rows[i];
		}
	}
	return og_fail(err, OG_INVALID, "unknown key %.64s.%.64s; the nearest is %s.%s", section, key, nearest->section,
		nearest->key);
}

static int set_pair(void *ctx, const char *section, const char *key, const char *value, struct og_error *err)
{
	const struct table *t = ctx;

	for (size_t i = 0; i < t->n; i++)
		if (!strcmp(t->rows[i].section, section) && !strcmp(t->rows[i].key, key))
			return set_row(&t->rows[i], t->base, value, err);
	return fail_unknown(t, section, key, err);
}

void og_config_defaults(const struct og_config_row *rows, size_t n, void *base)
{
	struct og_error err = {0};

	for (size_t i = 0; i < n; i++)
		if (set_row(&rows[i], base, rows[i].fallback, &err)) {
			fprintf(stderr, "a default is wrong: %s\n", err.message);
			abort();
		}
}

int og_config_read_file(const struct og_config_row *rows, size_t n, void *base, const char *path, struct og_error *err)
{
	struct table t = {rows, n, base};
	og_autofree char *text = NULL;
	size_t len;

	if (access(path, F_OK) && errno == ENOENT)
		return 0;
	if (og_file_read(path, FILE_CAP, &text, &len, err))
		return -1;
	return og_ini_parse(text, len, path, set_pair, &t, err);
}

int og_config_read_env(const struct og_config_row *rows, size_t n, void *base, struct og_error *err)
{
	for (size_t i = 0; i < n; i++) {
		const char *value = rows[i].env ? getenv(rows[i].env) : NULL;

		if (value && *value && set_row(&rows[i], base, value, err))
			return og_fail_in(err, "environment variable %s", rows[i].env);
	}
	return 0;
}

int og_config_set(const struct og_config_row *rows, size_t n, void *base, const char *assignment, struct og_error *err)
{
	struct table t = {rows, n, base};
	const char *equals = strchr(assignment, '=');
	const char *dot = strchr(assignment, '.');
	og_autofree char *section = NULL;
	og_autofree char *key = NULL;

	if (!equals || !dot || dot > equals)
		return og_fail(err, OG_INVALID, "'%.128s' is not section.key=value", assignment);
	section = og_strndup(assignment, (size_t)(dot - assignment));
	key = og_strndup(dot + 1, (size_t)(equals - dot - 1));
	return set_pair(&t, section, key, equals + 1, err);
}

void og_config_done(const struct og_config_row *rows, size_t n, void *base)
{
	for (size_t i = 0; i < n; i++)
		if (rows[i].type == OG_CONFIG_STRING) {
			char **field = (char **)((char *)base + rows[i].offset);

			free(*field);
			*field = NULL;
		}
}

/* What the row takes, as a reader of the docs wants it: "1s to 1m". */
static const char *allowed(const struct og_config_row *row, char *out, size_t size)
{
	char min[32], max[32];

	switch (row->type) {
	case OG_CONFIG_STRING:
		snprintf(out, size, "at most %" PRId64 " bytes", string_max(row));
		break;
	case OG_CONFIG_BOOL:
		snprintf(out, size, "yes, no");
		break;
	case OG_CONFIG_INT:
		snprintf(out, size, "%" PRId64 " to %" PRId64, row->min, row->max);
		break;
	case OG_CONFIG_DURATION:
		snprintf(out, size, "%s to %s", og_format_duration_ms(row->min, min, sizeof(min)),
			og_format_duration_ms(row->max, max, sizeof(max)));
		break;
	case OG_CONFIG_BYTES:
		snprintf(out, size, "%s to %s", og_format_bytes(row->min, min, sizeof(min)),
			og_format_bytes(row->max, max, sizeof(max)));
		break;
	}
	return out;
}

static bool new_section(const struct og_config_row *rows, size_t i)
{
	return !i || strcmp(rows[i].section, rows[i - 1].section) != 0;
}

void og_config_print_sample(const struct og_config_row *rows, size_t n, FILE *out)
{
	char range[96];

	for (size_t i = 0; i < n; i++) {
		const struct og_config_row *row = &rows[i];

		if (new_section(rows, i))
			fprintf(out, "%s[%s]\n", i ? "\n" : "", row->section);
		fprintf(out, "; %s (%s%s%s)\n;%s = %s\n", row->help, allowed(row, range, sizeof(range)),
			row->env ? "; " : "", row->env ? row->env : "", row->key, row->fallback);
	}
}

void og_config_print_markdown(const struct og_config_row *rows, size_t n, FILE *out)
{
	char range[96];

	for (size_t i = 0; i < n; i++) {
		const struct og_config_row *row = &rows[i];

		if (new_section(rows, i))
			fprintf(out,
				"%s## [%s]\n\n| Key | Default | Allowed | Environment | Meaning "
				"|\n|---|---|---|---|---|\n",
				i ? "\n" : "", row->section);
		fprintf(out, "| `%s` | %s%s%s | %s | %s%s%s | %s |\n", row->key, *row->fallback ? "`" : "",
			row->fallback, *row->fallback ? "`" : "", allowed(row, range, sizeof(range)),
			row->env ? "`" : "", row->env ? row->env : "", row->env ? "`" : "", row->help);
	}
}
