#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "poll.h"
#include "top/draw.h"
#include "top/view.h"
#include "verbs.h"

#define PERIOD_MS 1000

static const struct {
	char key;
	enum og_top_sort sort;
} sorts[] = {
	{'n', OG_TOP_BY_NAME},
	{'b', OG_TOP_BY_BUSY},
	{'w', OG_TOP_BY_WAITING},
	{'r', OG_TOP_BY_RATE},
};
static const char foot[] = "q quits  sort by: n name, b busy, w waiting, r rate  arrows and page keys scroll";

struct top {
	struct og_cli *cli;
	json_t *queues, *peers; /* the last answers; NULL: none yet */
	char *away;             /* why they are old; NULL: they are not */
	enum og_top_sort sort;
	size_t from;
};

static void redraw(struct top *t)
{
	struct og_top_view view;
	const char *away = t->away ? t->away : t->queues ? NULL : "connecting";

	og_top_view_make(t->queues, t->peers, t->sort, t->cli->settings.cluster, away, &view);
	if (t->from + og_draw_room() > view.n)
		t->from = view.n > og_draw_room() ? view.n - og_draw_room() : 0;
	og_draw(&view, t->from, foot);
	og_top_view_done(&view);
}

static bool on_answers(void *ctx, json_t *const *answers, enum og_exit *ret)
{
	struct top *t = ctx;

	(void)ret;
	json_decref(t->queues);
	json_decref(t->peers);
	t->queues = json_incref(answers[0]);
	t->peers = json_incref(answers[1]);
	redraw(t);
	return true;
}

static void on_away(void *ctx, const char *why)
{
	struct top *t = ctx;

	free(t->away);
	t->away = og_strdup(why);
	if (why)
		redraw(t);
}

static void scroll_by(struct top *t, long lines)
{
	t->from = lines < 0 && t->from < (size_t)-lines ? 0 : t->from + (size_t)lines;
}

/* False: it is over. */
static bool on_char(struct top *t, int c)
{
	for (size_t i = 0; i < OG_COUNT(sorts); i++)
		if (sorts[i].key == c)
			t->sort = sorts[i].sort;
	return c != 'q';
}

static bool on_input(void *ctx, bool resized)
{
	struct top *t = ctx;
	enum og_key key;
	int c = 0;

	if (resized)
		og_draw_resized();
	while ((key = og_draw_key(&c)) != OG_KEY_NONE) {
		if (key == OG_KEY_OTHER && !on_char(t, c))
			return false;
		if (key == OG_KEY_UP || key == OG_KEY_DOWN)
			scroll_by(t, key == OG_KEY_UP ? -1 : 1);
		if (key == OG_KEY_PAGE_UP || key == OG_KEY_PAGE_DOWN)
			scroll_by(t, (key == OG_KEY_PAGE_UP ? -1 : 1) * (long)og_draw_room());
		if (key == OG_KEY_HOME)
			t->from = 0;
	}
	redraw(t);
	return true;
}

static enum og_exit run(struct og_cli *c)
{
	struct top t = {.cli = c};
	struct og_poll poll = {.cli = c,
		.verbs = {"queues", "peers"},
		.n = 2,
		.period_ms = PERIOD_MS,
		.on_answers = on_answers,
		.on_away = on_away,
		.on_input = on_input,
		.ctx = &t};
	struct og_error err = {0};
	enum og_exit exit;

	if (c->common.json || !c->screen.out_tty || !isatty(STDIN_FILENO))
		return og_cli_usage(c, "og top draws on a terminal: `og queues` prints the same once, with --json too");
	if (og_draw_open(&c->screen, &err) < 0)
		return og_cli_usage(c, "%s", err.message);
	redraw(&t);
	exit = og_poll_run(&poll, &err);
	og_draw_close();
	if (err.kind)
		og_cli_fail(c, exit, &err);
	json_decref(t.queues);
	json_decref(t.peers);
	free(t.away);
	return exit;
}

const struct og_verb og_verb_top = {
	.name = "top",
	.arguments = "",
	.summary = "shows tiers, nodes and rates, and keeps looking",
	.details = "\nKeys: q quits; n, b, w and r sort by name, busy slots, what waits, and rate; arrows and page "
		   "keys scroll.",
	.operates = true,
	.run = run,
};
