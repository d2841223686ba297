#include "base/options.h"

#include <string.h>

#include "base/alloc.h"
#include "base/parse.h"

#define HELP_COLUMN 28

static const struct og_option *find(
	const struct og_options *sets, size_t n_sets, const char *name, size_t len, char letter, void **ret_into)
{
	for (size_t s = 0; s < n_sets; s++)
		for (size_t i = 0; i < sets[s].n; i++) {
			const struct og_option *row = &sets[s].rows[i];
			bool hit = letter ? row->letter == letter
			                  : strlen(row->name) == len && !strncmp(row->name, name, len);

			if (hit) {
				*ret_into = sets[s].into;
				return row;
			}
		}
	return NULL;
}

static int unknown(const struct og_options *sets, size_t n_sets, const char *arg, struct og_error *err)
{
	og_autofree char *given = og_strndup(arg, strcspn(arg, "="));
	const char *nearest = NULL;
	size_t least = 4; /* further away than that is another word */

	for (size_t s = 0; s < n_sets; s++)
		for (size_t i = 0; i < sets[s].n && !strncmp(given, "--", 2); i++) {
			size_t distance = og_edit_distance(given + 2, sets[s].rows[i].name);

			if (distance < least) {
				least = distance;
				nearest = sets[s].rows[i].name;
			}
		}
	if (nearest)
		return og_fail(err, OG_INVALID, "unknown option %s: did you mean --%s?", given, nearest);
	return og_fail(err, OG_INVALID, "unknown option %s (a text that begins with a dash goes after --)", given);
}

int og_list_add(struct og_list *list, const char *item, struct og_error *err)
{
	if (list->n == OG_LIST_MAX)
		return og_fail(err, OG_INVALID, "may be given %d times at most", OG_LIST_MAX);
	list->items[list->n++] = item;
	return 0;
}

static int store(const struct og_option *row, void *into, const char *value, struct og_error *err)
{
	void *field = (char *)into + row->offset;

	switch (row->type) {
	case OG_OPTION_FLAG:
		*(bool *)field = true;
		return 0;
	case OG_OPTION_TEXT:
		if (!*value)
			return og_fail(err, OG_INVALID, "is empty");
		*(const char **)field = value;
		return 0;
	case OG_OPTION_LIST:
		return og_list_add(field, value, err);
	case OG_OPTION_INT:
		return og_parse_int(value, row->min, row->max, field, err);
	case OG_OPTION_REAL:
		return og_parse_double(value, (double)row->min, (double)row->max, field, err);
	case OG_OPTION_DURATION:
		return og_parse_duration_ms(value, row->min, row->max, field, err);
	case OG_OPTION_UUID:
		if (!og_uuid_valid(value))
			return og_fail(
				err, OG_INVALID, "'%s' is no UUID (8-4-4-4-12 hex digits, in lower case)", value);
		*(const char **)field = value;
		return 0;
	}
	return og_fail(err, OG_FATAL, "has no type");
}

/* Reads the option at argv[i] and its value; returns how many words it took, or -1. */
static int take(const struct og_options *sets, size_t n_sets, int argc, char **argv, int i, struct og_error *err)
{
	const char *arg = argv[i], *value = NULL;
	bool is_long = arg[1] == '-';
	void *into = NULL;
	const struct og_option *row = is_long ? find(sets, n_sets, arg + 2, strcspn(arg + 2, "="), 0, &into)
	                                      : find(sets, n_sets, NULL, 0, arg[1], &into);
	int words = 1;

	if (!row)
		return unknown(sets, n_sets, arg, err);
	if (is_long && strchr(arg, '='))
		value = strchr(arg, '=') + 1;
	else if (!is_long && arg[2])
		value = arg + 2;
	if (!row->argument && value)
		return og_fail(err, OG_INVALID, "--%s takes no value", row->name);
	if (row->argument && !value) {
		if (i + 1 == argc)
			return og_fail(
				err, OG_INVALID, "--%s wants a value: --%s %s", row->name, row->name, row->argument);
		value = argv[i + 1];
		words = 2;
	}
	if (store(row, into, value, err) < 0)
		return og_fail_in(err, "--%s", row->name);
	return words;
}

int og_options_parse(
	const struct og_options *sets, size_t n_sets, int argc, char **argv, int *ret_n, struct og_error *err)
{
	int n = 0, i = 0;

	while (i < argc) {
		int words;

		if (argv[i][0] != '-' || !argv[i][1]) {
			argv[n++] = argv[i++];
			continue;
		}
		if (!strcmp(argv[i], "--")) {
			while (++i < argc)
				argv[n++] = argv[i];
			break;
		}
		words = take(sets, n_sets, argc, argv, i, err);
		if (words < 0)
			return -1;
		i += words;
	}
	*ret_n = n;
	return 0;
}

int og_options_of_program(const struct og_options *set, int argc, char **argv, struct og_error *err)
{
	int n;

	if (og_options_parse(set, 1, argc - 1, argv + 1, &n, err) < 0)
		return -1;
	return n ? og_fail(err, OG_INVALID, "'%s' is no option, and there are no arguments", argv[1]) : 0;
}

void og_options_print(const struct og_option *rows, size_t n, bool markdown, FILE *out)
{
	for (size_t i = 0; i < n; i++) {
		const struct og_option *o = &rows[i];
		char letter[] = {'-', o->letter, ',', ' ', '\0'};
		og_autofree char *text = og_printf("%s--%s%s%s",
			o->letter  ? letter
			: markdown ? ""
				   : "    ",
			o->name, o->argument ? " " : "", o->argument ? o->argument : "");

		if (markdown)
			fprintf(out, "| `%s` | %s |\n", text, o->help);
		else
			fprintf(out, "  %-*s  %s\n", HELP_COLUMN, text, o->help);
	}
}
