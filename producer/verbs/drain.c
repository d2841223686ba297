#include <inttypes.h>

#include "ask.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "show.h"
#include "verbs.h"

#define WORDS_CAP 4096u

struct drain {
	bool undo;
};

static const struct drain defaults = {0};

static const struct og_option options[] = {
	{"undo", 0, NULL, OG_OPTION_FLAG, offsetof(struct drain, undo), 0, 0, "let it take prompts again"},
};

static char *names_of(const json_t *nodes)
{
	struct og_buf out;
	const json_t *node;
	size_t i;

	og_buf_init(&out, WORDS_CAP);
	json_array_foreach(nodes, i, node)
	{
		og_buf_addf(&out, "%s%s", i ? ", " : "", og_show_text(node, "name"));
	}
	return og_buf_take(&out);
}

static char *words_drained(const json_t *answer)
{
	og_autofree char *names = names_of(json_object_get(answer, "nodes"));
	int64_t running = og_show_int(answer, "running");

	return running ? og_printf("%s takes no more prompts; %" PRId64 " still run", names, running)
	               : og_printf("%s takes no more prompts, and runs none", names);
}

static char *words_undone(const json_t *answer)
{
	og_autofree char *names = names_of(json_object_get(answer, "nodes"));

	return og_printf("%s takes prompts again", names);
}

static enum og_exit run(struct og_cli *c)
{
	const struct drain *d = c->options;

	return og_ask_say(c, "drain", json_pack("{s:s, s:b}", "node", c->args[0], "undo", d->undo),
		d->undo ? words_undone : words_drained);
}

const struct og_verb og_verb_drain = {
	.name = "drain",
	.arguments = "<node>",
	.min = 1,
	.max = 1,
	.summary = "has a node, by its name or id, end what it runs and take no more",
	.details = "\nFor operators. The node stays in the cluster, and drained, until `og drain --undo`.",
	.options = options,
	.n_options = OG_COUNT(options),
	.defaults = &defaults,
	.options_size = sizeof(defaults),
	.operates = true,
	.run = run,
};
