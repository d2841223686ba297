
#include "base/alloc.h"
#include "cli.h"

static const struct {
	enum og_exit code;
	const char *name, *meaning;
} exits[] = {
	{OG_EXIT_ANSWERED, "answered", "the answer was printed; the verb did what it says"},
	{OG_EXIT_INTERNAL, "internal", "og itself failed, or stdout was closed"},
	{OG_EXIT_USAGE, "usage",
		"wrong options, arguments or settings; an empty or broken prompt, one above 8 MiB; an id that is in "
		"use "
		"for another request"},
	{OG_EXIT_FAILED, "failed", "the job failed, or was given up as dead; the reason is on stderr"},
	{OG_EXIT_EXPIRED, "expired", "its deadline passed, or --timeout of `og prompt`"},
	{OG_EXIT_CANCELLED, "cancelled", "by Ctrl-C, or by `og cancel`"},
	{OG_EXIT_BUSY, "busy", "the cluster takes no more work now, or cannot read its records"},
	{OG_EXIT_NO_CAPACITY, "no capacity", "no node serves the tier; `og status`: none serves any"},
	{OG_EXIT_NOT_CONNECTED, "not connected", "the broker, a scheduler or this node's services are not there"},
	{OG_EXIT_NOT_FOUND, "not found", "no such job, cluster, tier or model; the result is gone"},
	{OG_EXIT_PENDING, "pending", "the job has not ended yet (`og result`, `og wait --timeout`)"},
	{OG_EXIT_NOT_ALLOWED, "not allowed", "it is for operators: run it on the host that set up the broker"},
	{OG_EXIT_INTERRUPTED, "interrupted", "left by Ctrl-C before the cluster had answered"},
};

static const char *const environment = "  OPENGATEWAY_POC_ROOT   where everything lies (~/.opengateway-poc)\n"
				       "  POC_CLUSTER_ID         the cluster (gatewayai-poc)\n"
				       "  OG_BROKER              the broker, host:port or several with commas\n"
				       "  `og config` lists every setting with its variable.\n";

void og_help_overview(FILE *out)
{
	fputs("og: sends prompts to a cluster of machines, and looks after this one\n\n"
	      "usage: og <verb> [options] [arguments]\n\n",
		out);
	for (size_t i = 0; i < og_n_verbs; i++) {
		og_autofree char *usage = og_printf("%s %s", og_verbs[i]->name, og_verbs[i]->arguments);

		fprintf(out, "  %-22s %s\n", usage, og_verbs[i]->summary);
	}
	fputs("\n`join` is `connect`, `leave` is `disconnect`. `og <verb> --help` says more.\n\nexit status:\n", out);
	for (size_t i = 0; i < OG_COUNT(exits); i++)
		fprintf(out, "  %3d  %-14s %s\n", exits[i].code, exits[i].name, exits[i].meaning);
	fprintf(out, "\nenvironment:\n%s", environment);
}

void og_help_verb(const struct og_verb *v, FILE *out)
{
	fprintf(out, "usage: og %s [options]%s%s\n\n%s\n", v->name, *v->arguments ? " " : "", v->arguments, v->summary);
	if (v->details)
		fprintf(out, "%s\n", v->details);
	if (v->n_options) {
		fputs("\noptions:\n", out);
		og_options_print(v->options, v->n_options, false, out);
	}
	fputs("\noptions of every verb:\n", out);
	og_options_print(og_common_options, og_n_common_options, false, out);
}

static void markdown_options(const struct og_option *rows, size_t n, FILE *out)
{
	fputs("\n| Option | |\n|---|---|\n", out);
	og_options_print(rows, n, true, out);
}

void og_help_markdown(FILE *out)
{
	fputs("## Verbs\n", out);
	for (size_t i = 0; i < og_n_verbs; i++) {
		const struct og_verb *v = og_verbs[i];

		fprintf(out, "\n### `og %s%s%s`\n\n%s\n", v->name, *v->arguments ? " " : "", v->arguments, v->summary);
		if (v->details)
			fprintf(out, "%s\n", v->details);
		if (v->n_options)
			markdown_options(v->options, v->n_options, out);
	}
	fputs("\n## Options of every verb\n", out);
	markdown_options(og_common_options, og_n_common_options, out);
	fputs("\n## Exit status\n\n| Status | Name | Meaning |\n|---|---|---|\n", out);
	for (size_t i = 0; i < OG_COUNT(exits); i++)
		fprintf(out, "| %d | %s | %s |\n", exits[i].code, exits[i].name, exits[i].meaning);
}
