/* The frame of `og`: a verb is a row (verbs.c) and a file (verbs/<verb>.c). */
#ifndef OG_CLI_H
#define OG_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/error.h"
#include "base/options.h"
#include "model/job.h"
#include "model/settings.h"
#include "screen.h"
#include "service/session.h"
#include "table.h"

/* What every verb understands. */
struct og_common {
	const char *config; /* NULL: <root>/config.ini */
	struct og_list sets;
	bool json, quiet, help;
	int64_t connect_timeout_ms;
};

struct og_cli;

struct og_verb {
	const char *name;
	const char *arguments; /* as help shows them: "<id>", "[cluster]"; "" for none */
	int min, max;          /* how many arguments */
	const char *summary;   /* one line */
	const char *details;   /* more lines of help; NULL: none */
	const struct og_option *options;
	size_t n_options;
	const void *defaults; /* of the struct that the options fill, options_size bytes */
	size_t options_size;
	bool bare;     /* works without settings */
	bool operates; /* by the operator's credentials, where this machine has them */
	enum og_exit (*run)(struct og_cli *c);
};

extern const struct og_verb *const og_verbs[];
extern const size_t og_n_verbs;
extern const struct og_option og_common_options[];
extern const size_t og_n_common_options;

/* One invocation. */
struct og_cli {
	const struct og_verb *verb;
	struct og_common common;
	struct og_settings settings; /* loaded, unless the verb is bare */
	struct og_screen screen;
	bool operates; /* as the verb's, which may change it by its options */
	void *options; /* the verb's struct */
	char *const *args;
	int n_args;
};

/* NULL: no such verb; an alias gives the verb that it stands for. */
const struct og_verb *og_verb_find(const char *name);

enum og_exit og_cli_main(int argc, char **argv);
enum og_exit og_cli_fail(struct og_cli *c, enum og_exit exit, const struct og_error *err); /* tells it; returns exit */
enum og_exit og_cli_usage(struct og_cli *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Prints `json`, which it takes over. */
enum og_exit og_cli_json(struct og_cli *c, json_t *json);
/* Prints `table`, which it takes over. */
enum og_exit og_cli_table(struct og_cli *c, struct og_table *table);

/* Whether this machine may operate: it has the credentials of the host that set up the broker. */
bool og_cli_may_operate(const struct og_cli *c);

/* The session that this invocation's options and settings ask for. `user` is filled and must outlive it. */
int og_cli_session(const struct og_cli *c, bool deaf, char user[static OG_NAME_MAX], struct og_session_config *ret,
	struct og_error *err);

void og_help_overview(FILE *out);
void og_help_verb(const struct og_verb *v, FILE *out);
void og_help_markdown(FILE *out);

#endif
