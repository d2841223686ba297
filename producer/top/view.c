#include "top/view.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "show.h"
#include "table.h"

static const char *const tier_headings[] = {
	"TIER", ">WORKERS", ">BUSY", ">PLACED", ">HIGH", ">NORMAL", ">BATCH", ">OLDEST", ">PER MIN", ">ETA", ""};
static const char *const worker_headings[] = {"NODE", "TIER", "MODEL", "ENGINE", ">BUSY", ">TOKENS/S", ">SEEN AGO", ""};

/* A row before it is text: its object, and what it is sorted by. */
struct row {
	const json_t *object, *node; /* node: of a worker, else NULL */
	const char *name;
	double key;
};

static void add_line(struct og_top_view *v, enum og_tone tone, char *text)
{
	v->lines = og_realloc(v->lines, (v->n + 1) * sizeof(*v->lines));
	v->lines[v->n++] = (struct og_top_line){.text = text, .tone = tone};
}

/* Headings and rows of a table, which it takes over; tones[i] is that of row i. */
static void add_table(struct og_top_view *v, struct og_table *table, const enum og_tone *tones)
{
	og_autofree char *text = og_table_text(table);
	char *rest = text, *line;
	size_t i = 0;

	while ((line = strsep(&rest, "\n")) && rest) {
		add_line(v, i ? tones[i - 1] : OG_TONE_HEAD, og_strdup(line));
		i++;
	}
	og_table_free(table);
}

static int compare(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	if (x->key != y->key)
		return x->key < y->key ? 1 : -1;
	return strcmp(x->name, y->name);
}

static double number(const json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}

static int64_t waiting_of(const json_t *tier)
{
	const json_t *waiting = json_object_get(tier, "waiting");

	return og_show_int(waiting, "high") + og_show_int(waiting, "normal") + og_show_int(waiting, "batch");
}

/* ── totals ── */

static void add_totals(struct og_top_view *v, const json_t *queues, const json_t *peers, const char *cluster)
{
	const json_t *tiers = json_object_get(queues, "tiers"), *nodes = json_object_get(peers, "peers"), *tier;
	int64_t busy = 0, slots = 0, waiting = 0;
	double per_min = 0;
	size_t i;

	json_array_foreach(tiers, i, tier)
	{
		busy += og_show_int(tier, "busy");
		slots += og_show_int(tier, "slots");
		waiting += waiting_of(tier);
		per_min += number(tier, "per_min");
	}
	add_line(v, OG_TONE_PLAIN,
		og_printf("%s: %zu nodes, %" PRId64 " of %" PRId64 " slots busy, %" PRId64 " waiting, %.1f jobs/min",
			cluster, json_array_size(nodes), busy, slots, waiting, per_min));
	add_line(v, OG_TONE_PLAIN, og_show_waiting(queues));
}

/* ── tiers ── */

static double key_of_tier(const json_t *tier, enum og_top_sort sort)
{
	switch (sort) {
	case OG_TOP_BY_BUSY:
		return number(tier, "busy");
	case OG_TOP_BY_WAITING:
		return (double)waiting_of(tier);
	case OG_TOP_BY_RATE:
		return number(tier, "per_min");
	case OG_TOP_BY_NAME:
		break;
	}
	return 0;
}

static enum og_tone tone_of_tier(const json_t *tier)
{
	if (waiting_of(tier) && !og_show_int(tier, "workers"))
		return OG_TONE_BAD;
	if (json_is_true(json_object_get(tier, "paused")))
		return OG_TONE_WARN;
	if (!og_show_int(tier, "workers"))
		return OG_TONE_DIM;
	return waiting_of(tier) ? OG_TONE_WARN : OG_TONE_PLAIN;
}

static void add_duration(struct og_table *table, const json_t *object, const char *key, bool zero)
{
	char text[OG_SHOW_SIZE] = "";
	const json_t *value = json_object_get(object, key);

	if (json_is_integer(value) && (zero || json_integer_value(value)))
		og_show_duration(json_integer_value(value), text);
	og_table_cell(table, "%s", text);
}

static void add_tier(struct og_table *table, const json_t *tier)
{
	og_show_tier(table, tier);
	add_duration(table, tier, "oldest_ms", false);
	og_table_cell(table, "%.1f", number(tier, "per_min"));
	add_duration(table, tier, "eta_ms", true);
	og_table_cell(table, "%s", json_is_true(json_object_get(tier, "paused")) ? "paused" : "");
}

static void add_tiers(struct og_top_view *v, const json_t *queues, enum og_top_sort sort)
{
	const json_t *tiers = json_object_get(queues, "tiers"), *tier;
	size_t n = json_array_size(tiers), i;
	og_autofree struct row *rows = og_alloc((n + 1) * sizeof(*rows));
	og_autofree enum og_tone *tones = og_alloc((n + 1) * sizeof(*tones));
	struct og_table *table = og_table_new(tier_headings, OG_COUNT(tier_headings));

	json_array_foreach(tiers, i, tier)
	{
		rows[i] =
			(struct row){.object = tier, .name = og_show_text(tier, "id"), .key = key_of_tier(tier, sort)};
	}
	qsort(rows, n, sizeof(*rows), compare);
	for (i = 0; i < n; i++) {
		add_tier(table, rows[i].object);
		tones[i] = tone_of_tier(rows[i].object);
	}
	add_table(v, table, tones);
}

/* ── nodes ── */

static double key_of_worker(const json_t *worker, enum og_top_sort sort)
{
	if (sort == OG_TOP_BY_RATE)
		return number(worker, "tokens_per_s");
	return sort == OG_TOP_BY_NAME ? 0 : number(worker, "busy");
}

static enum og_tone tone_of_worker(const json_t *worker)
{
	if (!worker)
		return OG_TONE_DIM;
	if (json_is_true(json_object_get(worker, "draining")) || json_is_true(json_object_get(worker, "paused")))
		return OG_TONE_WARN;
	return OG_TONE_PLAIN;
}

/* `worker` NULL: a node that does not serve. */
static void add_worker(struct og_table *table, const json_t *node, const json_t *worker)
{
	const char *what = json_is_true(json_object_get(worker, "draining")) ? "draining"
	                   : json_is_true(json_object_get(worker, "paused")) ? "paused"
	                                                                     : "";

	og_table_cell(table, "%s", og_show_text(node, "name"));
	if (!worker) {
		for (size_t i = 2; i < OG_COUNT(worker_headings); i++)
			og_table_cell(table, "%s", "");
		og_table_cell(table, "peer");
		return;
	}
	og_table_cell(table, "%s", og_show_text(worker, "tier"));
	og_table_cell(table, "%s", og_show_text(worker, "model"));
	og_table_cell(table, "%s", og_show_text(worker, "engine"));
	og_table_cell(table, "%" PRId64 "/%" PRId64, og_show_int(worker, "busy"), og_show_int(worker, "slots"));
	og_table_cell(table, "%.1f", number(worker, "tokens_per_s"));
	add_duration(table, worker, "seen_ms_ago", true);
	og_table_cell(table, "%s", what);
}

/* A row a worker, and one for a node without any. */
static struct row *collect_workers(const json_t *peers, enum og_top_sort sort, size_t *ret_n)
{
	const json_t *nodes = json_object_get(peers, "peers"), *node, *worker;
	struct row *rows = NULL;
	size_t n = 0, i, k;

	json_array_foreach(nodes, i, node)
	{
		const json_t *workers = json_object_get(node, "workers");
		size_t more = json_array_size(workers) && json_is_true(json_object_get(node, "serve"))
		                      ? json_array_size(workers)
		                      : 1;

		rows = og_realloc(rows, (n + more) * sizeof(*rows));
		for (k = 0; k < more; k++) {
			worker = json_is_true(json_object_get(node, "serve")) ? json_array_get(workers, k) : NULL;
			rows[n++] = (struct row){.object = worker,
				.node = node,
				.name = og_show_text(node, "name"),
				.key = worker ? key_of_worker(worker, sort) : 0};
		}
	}
	*ret_n = n;
	return rows;
}

static void add_nodes(struct og_top_view *v, const json_t *peers, enum og_top_sort sort)
{
	size_t n;
	og_autofree struct row *rows = collect_workers(peers, sort, &n);
	og_autofree enum og_tone *tones = og_alloc((n + 1) * sizeof(*tones));
	struct og_table *table = og_table_new(worker_headings, OG_COUNT(worker_headings));

	if (n)
		qsort(rows, n, sizeof(*rows), compare);
	for (size_t i = 0; i < n; i++) {
		add_worker(table, rows[i].node, rows[i].object);
		tones[i] = tone_of_worker(rows[i].object);
	}
	add_table(v, table, tones);
}

void og_top_view_make(const json_t *queues, const json_t *peers, enum og_top_sort sort, const char *cluster,
	const char *away, struct og_top_view *ret)
{
	struct og_top_view v = {0};

	if (away)
		add_line(&v, OG_TONE_BAD, og_printf("%s: %s", cluster, away));
	if (queues && peers) {
		add_totals(&v, queues, peers, cluster);
		add_line(&v, OG_TONE_PLAIN, og_strdup(""));
		add_tiers(&v, queues, sort);
		add_line(&v, OG_TONE_PLAIN, og_strdup(""));
		add_nodes(&v, peers, sort);
	}
	*ret = v;
}

void og_top_view_done(struct og_top_view *v)
{
	for (size_t i = 0; i < v->n; i++)
		free(v->lines[i].text);
	free(v->lines);
	*v = (struct og_top_view){0};
}
