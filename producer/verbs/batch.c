#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "batch/run.h"
#include "loop.h"
#include "model/topology.h"
#include "show.h"
#include "verbs.h"

#define DAY_MS INT64_C(86400000)
#define SUFFIX ".jsonl"

struct batch {
	const char *output, *errors, *tier, *model, *class_name, *salt;
	int64_t window, deadline_in_ms;
};

static const struct batch defaults = {.window = 64, .class_name = "batch"};

#define AT(field) offsetof(struct batch, field)

static const struct og_option options[] = {
	{"output", 'o', "FILE", OG_OPTION_TEXT, AT(output), 0, 0, "the answers (FILE.output.jsonl; - is stdout)"},
	{"errors", 'e', "FILE", OG_OPTION_TEXT, AT(errors), 0, 0, "the lines that failed (FILE.errors.jsonl)"},
	{"window", 'w', "N", OG_OPTION_INT, AT(window), 1, OG_BATCH_WINDOW_MAX,
		"so many lines on their way at once (64)"},
	{"model", 'm', "NAME", OG_OPTION_TEXT, AT(model), 0, 0,
		"a model's name or alias, instead of what each line says"},
	{"tier", 't', "TIER", OG_OPTION_TEXT, AT(tier), 0, 0, "a tier of the catalogue, likewise"},
	{"class", 0, "CLASS", OG_OPTION_TEXT, AT(class_name), 0, 0, "high, normal or batch (batch)"},
	{"deadline", 0, "TIME", OG_OPTION_DURATION, AT(deadline_in_ms), 1000, 30 * DAY_MS,
		"the cluster drops a line when it is not done in this time"},
	{"salt", 0, "TEXT", OG_OPTION_TEXT, AT(salt), 0, 0,
		"ask anew what was asked before: another text makes other ids of the same lines"},
};

/* "x.jsonl" and "output": "x.output.jsonl". */
static char *beside(const char *path, const char *what)
{
	size_t len = strlen(path), suffix = strlen(SUFFIX);

	if (len > suffix && !strcmp(path + len - suffix, SUFFIX))
		len -= suffix;
	return og_printf("%.*s.%s" SUFFIX, (int)len, path, what);
}

/* Where answers and errors go; NULL: stdout. What comes from stdin has no name to make one of. */
static void choose_files(const struct batch *b, const char *input, char **ret_output, char **ret_errors)
{
	bool piped = !strcmp(input, "-"), out = b->output ? !strcmp(b->output, "-") : piped;

	*ret_output = out ? NULL : b->output ? og_strdup(b->output) : beside(input, "output");
	if (b->errors)
		*ret_errors = strcmp(b->errors, "-") ? og_strdup(b->errors) : NULL;
	else if (!piped)
		*ret_errors = beside(input, "errors");
	else
		*ret_errors = *ret_output ? beside(*ret_output, "errors") : NULL;
}

static int open_input(const char *path, int *ret, struct stat *ret_stat, struct og_error *err)
{
	int fd = strcmp(path, "-") ? open(path, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;

	if (fd < 0 || fstat(fd, ret_stat) < 0)
		return og_fail(err, OG_INVALID, "%s cannot be opened: %s", path, strerror(errno));
	if (S_ISDIR(ret_stat->st_mode)) {
		close(fd);
		return og_fail(err, OG_INVALID, "%s is a folder", path);
	}
	*ret = fd;
	return 0;
}

/* `failed`: lines in the file of errors. */
static void tell(struct og_cli *c, const struct og_batch_counts *n, const char *errors, int64_t failed, int64_t took_ms)
{
	char took[OG_SHOW_SIZE];

	og_show_duration(took_ms, took);
	og_screen_note(&c->screen,
		"%" PRId64 " lines: %" PRId64 " answered, %" PRId64 " failed, %" PRId64 " of before; took %s", n->lines,
		n->answered, n->failed, n->skipped, took);
	if (failed && errors)
		og_screen_note(&c->screen, "%s says why %" PRId64 " failed", errors, failed);
}

static enum og_exit run_files(
	struct og_cli *c, int input, const struct stat *st, const char *output, const char *errors)
{
	const struct batch *b = c->options;
	struct og_session_config config;
	struct og_batch_counts counts = {0};
	struct og_batch_files files;
	struct og_batch batch = {.input = input,
		.size = S_ISREG(st->st_mode) ? st->st_size : 0,
		.class_name = b->class_name,
		.deadline_in_ms = b->deadline_in_ms,
		.window = b->window,
		.files = &files};
	int64_t began = og_clock_mono_ms(), before;
	char user[OG_NAME_MAX];
	struct og_error err;
	enum og_exit exit;
	uv_loop_t *loop;

	if (og_cli_session(c, false, user, &config, &err) < 0)
		return og_cli_fail(c, OG_EXIT_NOT_CONNECTED, &err);
	batch.ask = (struct og_batch_ask){
		.tenant = og_tenant_of_user(user), .tier = b->tier, .model = b->model, .salt = b->salt};
	batch.marks = og_marks_new();
	if (og_batch_files_open(&files, output, errors, st, batch.marks, &err) < 0) {
		og_marks_free(batch.marks);
		return og_cli_fail(c, OG_EXIT_USAGE, &err);
	}
	before = files.answered + files.failed;
	if (before)
		og_screen_note(&c->screen, "going on: %" PRId64 " lines are answered, %" PRId64 " failed",
			files.answered, files.failed);
	loop = og_loop_new();
	exit = og_batch_run(loop, &config, &batch, &og_batch_usual, &c->screen, &counts);
	og_loop_free(loop);
	og_batch_files_close(&files);
	og_marks_free(batch.marks);
	tell(c, &counts, errors, files.failed, og_clock_mono_ms() - began);
	if ((exit == OG_EXIT_ANSWERED || exit == OG_EXIT_FAILED) && before > counts.skipped)
		og_screen_note(&c->screen,
			"%" PRId64 " lines in the files of answers and errors are of no line of %s: they are another "
			"batch's, or that line was changed since",
			before - counts.skipped, c->args[0]);
	return exit;
}

static enum og_exit run(struct og_cli *c)
{
	const struct batch *b = c->options;
	og_autofree char *output = NULL, *errors = NULL;
	enum og_class class;
	struct og_error err;
	enum og_exit exit;
	struct stat st;
	int input;

	if (b->tier && b->model)
		return og_cli_usage(c, "--tier or --model, not both");
	if (c->common.json)
		return og_cli_usage(c, "the answers are JSON already: there is no --json here");
	if (og_class_parse(b->class_name, &class, &err) < 0)
		return og_cli_usage(c, "--class: %s", err.message);
	if (open_input(c->args[0], &input, &st, &err) < 0)
		return og_cli_usage(c, "%s", err.message);
	choose_files(b, c->args[0], &output, &errors);
	exit = run_files(c, input, &st, output, errors);
	close(input);
	return exit;
}

const struct og_verb og_verb_batch = {
	.name = "batch",
	.arguments = "<file.jsonl>",
	.min = 1,
	.max = 1,
	.summary = "sends a file of prompts, a line each, and writes the answers to another; - reads stdin",
	.details = "\nLines in and out are those of OpenAI's batches. The files of answers and errors are the "
		   "checkpoint: the same\n"
		   "command again goes on with what is missing, and nothing runs twice. Ctrl-C waits for what is on "
		   "its way, a\n"
		   "second one leaves at once. Exits with 0 when every line is answered, with 3 when some failed.",
	.options = options,
	.n_options = OG_COUNT(options),
	.defaults = &defaults,
	.options_size = sizeof(defaults),
	.run = run,
};
