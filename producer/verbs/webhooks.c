#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "gate.h"
#include "show.h"
#include "table.h"
#include "verbs.h"

struct webhooks {
	const char *tenant, *state;
	struct og_list events;
};

static const struct webhooks defaults;

#define AT(field) offsetof(struct webhooks, field)

static const struct og_option options[] = {
	{"tenant", 0, "TENANT", OG_OPTION_TEXT, AT(tenant), 0, 0, "whose they are (default)"},
	{"event", 0, "TYPE", OG_OPTION_LIST, AT(events), 0, 0,
		"create: this type of event alone, as response.completed; may be repeated"},
	{"state", 0, "failed|pending|delivered", OG_OPTION_TEXT, AT(state), 0, 0,
		"deliveries: those in this state (failed)"},
};

/* ── lists ── */

static void add_time(struct og_table *table, const json_t *object, const char *name)
{
	int64_t seconds = og_show_int(object, name);
	char text[25] = "";

	if (seconds)
		og_clock_format(seconds * 1000, text);
	og_table_cell(table, "%s", text);
}

static void add_webhook(struct og_table *table, const json_t *webhook)
{
	const json_t *events = json_object_get(webhook, "events"), *event;
	struct og_buf words;
	size_t i;

	og_buf_init(&words, 8192);
	json_array_foreach(events, i, event)
	{
		og_buf_addf(&words, "%s%s", i ? "," : "", json_string_value(event));
	}
	og_table_cell(table, "%s", og_show_text(webhook, "id"));
	og_table_cell(table, "%s", og_show_text(webhook, "url"));
	og_table_cell(table, "%s", json_is_true(json_object_get(webhook, "enabled")) ? "" : "disabled");
	add_time(table, webhook, "created_at");
	og_table_cell(table, "%s", og_buf_str(&words));
	og_buf_done(&words);
}

static void add_delivery(struct og_table *table, const json_t *delivery)
{
	const json_t *event = json_object_get(delivery, "event");

	og_table_cell(table, "%s", og_show_text(delivery, "id"));
	og_table_cell(table, "%s", og_show_text(event, "type"));
	og_table_cell(table, "%s", og_show_text(json_object_get(event, "data"), "id"));
	og_table_cell(table, "%lld", (long long)og_show_int(delivery, "attempts"));
	add_time(table, delivery, "last_attempt_at");
	add_time(table, delivery, "next_attempt_at");
	og_table_cell(table, "%s", og_show_text(delivery, "last_error"));
}

static const char *const webhook_headings[] = {"ID", "URL", "STATE", "MADE", "EVENTS"};
static const char *const delivery_headings[] = {"ID", "EVENT", "OF", ">ATTEMPTS", "LAST", "NEXT", "ERROR"};

/* ── what is done to one ── */

static json_t *request_of(const struct og_cli *c)
{
	const struct webhooks *w = c->options;

	return json_pack("{s:s*, s:s*}", "tenant", w->tenant, "id", c->n_args > 1 ? c->args[1] : NULL);
}

static enum og_exit list(struct og_cli *c)
{
	struct og_table *table;
	const json_t *webhook;
	json_t *answer;
	enum og_exit exit = og_gate_ask(c, "webhooks_list", request_of(c), &answer);
	size_t i;

	if (exit != OG_EXIT_ANSWERED)
		return exit;
	if (c->common.json)
		return og_cli_json(c, answer);
	table = og_table_new(webhook_headings, OG_COUNT(webhook_headings));
	json_array_foreach(json_object_get(answer, "webhooks"), i, webhook)
	{
		add_webhook(table, webhook);
	}
	json_decref(answer);
	return og_cli_table(c, table);
}

static enum og_exit deliveries(struct og_cli *c)
{
	const struct webhooks *w = c->options;
	struct og_table *table;
	const json_t *delivery;
	json_t *request = request_of(c), *answer;
	enum og_exit exit;
	size_t i;

	if (w->state)
		json_object_set_new(request, "state", json_string(w->state));
	exit = og_gate_ask(c, "webhooks_deliveries", request, &answer);
	if (exit != OG_EXIT_ANSWERED)
		return exit;
	if (c->common.json)
		return og_cli_json(c, answer);
	table = og_table_new(delivery_headings, OG_COUNT(delivery_headings));
	json_array_foreach(json_object_get(answer, "deliveries"), i, delivery)
	{
		add_delivery(table, delivery);
	}
	json_decref(answer);
	return og_cli_table(c, table);
}

/* The secret alone on stdout: for $(…), and it is shown this once. */
static enum og_exit show_secret(struct og_cli *c, const char *verb, json_t *request)
{
	og_autofree char *line = NULL;
	json_t *answer;
	enum og_exit exit = og_gate_ask(c, verb, request, &answer);
	int rc;

	if (exit != OG_EXIT_ANSWERED || c->common.json)
		return exit == OG_EXIT_ANSWERED ? og_cli_json(c, answer) : exit;
	line = og_printf("%s\n", og_show_text(answer, "secret"));
	og_screen_note(
		&c->screen, "webhook %s: this is the only time that its secret is shown", og_show_text(answer, "id"));
	rc = og_screen_answer(&c->screen, line, strlen(line));
	json_decref(answer);
	return rc < 0 ? OG_EXIT_INTERNAL : OG_EXIT_ANSWERED;
}

static enum og_exit create(struct og_cli *c)
{
	const struct webhooks *w = c->options;
	json_t *request = json_pack("{s:s*, s:s}", "tenant", w->tenant, "url", c->args[1]), *events;

	if (w->events.n) {
		events = json_array();
		for (size_t i = 0; i < w->events.n; i++)
			json_array_append_new(events, json_string(w->events.items[i]));
		json_object_set_new(request, "events", events);
	}
	return show_secret(c, "webhooks_make", request);
}

static enum og_exit rotate(struct og_cli *c)
{
	return show_secret(c, "webhooks_rotate", request_of(c));
}

static enum og_exit do_it(struct og_cli *c, const char *verb, json_t *request, const char *done)
{
	json_t *answer;
	enum og_exit exit = og_gate_ask(c, verb, request, &answer);

	if (exit != OG_EXIT_ANSWERED || c->common.json)
		return exit == OG_EXIT_ANSWERED ? og_cli_json(c, answer) : exit;
	og_screen_note(&c->screen, "%s %s", og_show_text(answer, "id"), done);
	json_decref(answer);
	return OG_EXIT_ANSWERED;
}

static enum og_exit remove_one(struct og_cli *c)
{
	return do_it(c, "webhooks_remove", request_of(c), "is removed: nothing is sent there any more");
}

static enum og_exit enable(struct og_cli *c)
{
	return do_it(c, "webhooks_enable", request_of(c), "is enabled");
}

static enum og_exit redeliver(struct og_cli *c)
{
	json_t *request = request_of(c);

	json_object_set_new(request, "delivery", json_string(c->args[2]));
	return do_it(c, "webhooks_redeliver", request, "is sent anew");
}

static const struct {
	const char *name;
	int n_args;
	const char *usage;
	enum og_exit (*run)(struct og_cli *c);
} actions[] = {
	{"list", 1, "list takes no ids; --tenant says whose", list},
	{"create", 2, "where to? og webhooks create <url>", create},
	{"remove", 2, "which one? og webhooks remove <id>; `og webhooks list` shows them", remove_one},
	{"enable", 2, "which one? og webhooks enable <id>; `og webhooks list` shows them", enable},
	{"rotate", 2, "which one? og webhooks rotate <id>; `og webhooks list` shows them", rotate},
	{"deliveries", 2, "of which one? og webhooks deliveries <id>; `og webhooks list` shows them", deliveries},
	{"redeliver", 3, "which one? og webhooks redeliver <id> <delivery>; `og webhooks deliveries <id>` shows them",
		redeliver},
};

static enum og_exit run(struct og_cli *c)
{
	for (size_t i = 0; i < OG_COUNT(actions); i++) {
		if (strcmp(actions[i].name, c->args[0]) != 0)
			continue;
		return c->n_args == actions[i].n_args ? actions[i].run(c) : og_cli_usage(c, "%s", actions[i].usage);
	}
	return og_cli_usage(
		c, "'%s' is none of list, create, remove, enable, rotate, deliveries, redeliver", c->args[0]);
}

const struct og_verb og_verb_webhooks = {
	.name = "webhooks",
	.arguments = "list|create|remove|enable|rotate|deliveries|redeliver [url|id] [delivery]",
	.min = 1,
	.max = 3,
	.summary = "looks after where the gateways tell what has ended",
	.details = "\n`create` and `rotate` print the webhook's secret, alone on stdout, and nobody can show it again; "
		   "for a day "
		   "after `rotate` there is a signature with the old one too.\n"
		   "`deliveries` shows the newest 50 that failed, and why; `redeliver` sends one anew; `enable` is for "
		   "one whose "
		   "receiver answered 410.\n"
		   "Asks a gateway on this machine.",
	.options = options,
	.n_options = OG_COUNT(options),
	.defaults = &defaults,
	.options_size = sizeof(defaults),
	.run = run,
};
