/* Options of the command line as a table: one row an option, which parses it, checks its bounds and prints its help.
 *
 * `--name value`, `--name=value`, `-n value`; options and arguments in any order; `--` ends the options, `-` alone is
 * an argument. Values land in the verb's own struct, at the row's offset. */
#ifndef OG_BASE_OPTIONS_H
#define OG_BASE_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/error.h"

#define OG_LIST_MAX 64

enum og_option_type {
	OG_OPTION_FLAG,     /* bool */
	OG_OPTION_TEXT,     /* const char *, never empty */
	OG_OPTION_LIST,     /* struct og_list: the option may be repeated */
	OG_OPTION_INT,      /* int64_t within min..max */
	OG_OPTION_REAL,     /* double within min..max */
	OG_OPTION_DURATION, /* int64_t ms within min..max (ms) */
	OG_OPTION_UUID,     /* const char *, the text form of a UUID */
};

/* NULL-terminated, strings borrowed from argv. */
struct og_list {
	const char *items[OG_LIST_MAX + 1];
	size_t n;
};

int og_list_add(struct og_list *list, const char *item, struct og_error *err); /* INVALID: it is full */

struct og_option {
	const char *name;
	char letter;          /* 0: none */
	const char *argument; /* what help calls the value; NULL for a FLAG */
	enum og_option_type type;
	size_t offset;
	int64_t min, max;
	const char *help; /* one line */
};

/* A table and the struct that its offsets point into. */
struct og_options {
	const struct og_option *rows;
	size_t n;
	void *into;
};

/* Reads argv[0..argc) by the tables in `sets`. The arguments that are no options are moved, in their order, to the
 * front of argv; *ret_n is how many. INVALID: an unknown option (with the nearest known one), a value missing, wrong
 * or unwanted. */
int og_options_parse(
	const struct og_options *sets, size_t n_sets, int argc, char **argv, int *ret_n, struct og_error *err);

/* The same for a program that takes options alone, by main's own argc and argv: an argument is INVALID too. */
int og_options_of_program(const struct og_options *set, int argc, char **argv, struct og_error *err);

/* One line a row, indented by two and aligned; `markdown` makes rows of a table instead. */
void og_options_print(const struct og_option *rows, size_t n, bool markdown, FILE *out);

#endif
