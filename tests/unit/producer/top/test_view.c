#include "top/view.h"

#include <criterion/criterion.h>
#include <string.h>

#include "leaks.h"

TestSuite(top_view, .timeout = 60);

#define TIER(id, workers, busy, waiting, rate, more)                                                                   \
	"{\"id\":\"" id "\",\"workers\":" workers ",\"slots\":8,\"busy\":" busy                                        \
	",\"placed\":0,\"waiting\":{\"high\":0,"                                                                       \
	"\"normal\":" waiting ",\"batch\":0},\"per_min\":" rate more "}"

static const char queues_text[] = "{\"tiers\":[" TIER("Small", "2", "3", "0", "12.5", "") "," TIER(
	"Large", "1", "8", "7", "1.0", ",\"oldest_ms\":61000,\"eta_ms\":90000,\"paused\":true") "," TIER("Gone", "0",
	"0", "4", "0", "") "," TIER("Unused", "0", "0", "0", "0",
	"") "],\"waiting_bytes\":2048,\"waiting_max_bytes\":1048576,\"dead\":5}";

static const char peers_text[] =
	"{\"peers\":[{\"name\":\"NodeB\",\"serve\":true,\"workers\":[{\"tier\":\"Large\",\"model\":\"m\",\"engine\":"
	"\"vllm\","
	"\"busy\":8,\"slots\":8,\"tokens_per_s\":40.5,\"seen_ms_ago\":900,\"draining\":true}]},"
	"{\"name\":\"NodeC\",\"serve\":false,\"workers\":[]},"
	"{\"name\":\"Node\\u001b[2JA\",\"serve\":true,\"workers\":[{\"tier\":\"Small\",\"busy\":3,\"slots\":16,"
	"\"tokens_per_s\":99.0,\"seen_ms_ago\":100}]}]}";

static struct og_top_view make(enum og_top_sort sort, const char *away)
{
	json_t *queues = json_loads(queues_text, 0, NULL), *peers = json_loads(peers_text, 0, NULL);
	struct og_top_view v;

	cr_assert(queues && peers);
	og_top_view_make(queues, peers, sort, "lab", away, &v);
	json_decref(queues);
	json_decref(peers);
	return v;
}

/* The first words of lines `from` to `to`. */
static void expect_order(enum og_top_sort sort, size_t from, const char *const *names, size_t n)
{
	struct og_top_view v = make(sort, NULL);

	for (size_t i = 0; i < n; i++)
		cr_expect(!strncmp(v.lines[from + i].text, names[i], strlen(names[i])), "%d: line %zu is '%s', not %s",
			(int)sort, from + i, v.lines[from + i].text, names[i]);
	og_top_view_done(&v);
}

Test(top_view, totals_tiers_and_nodes)
{
	struct og_top_view v = make(OG_TOP_BY_NAME, NULL);

	cr_assert_eq(v.n, 13);
	cr_expect_str_eq(v.lines[0].text, "lab: 3 nodes, 11 of 32 slots busy, 11 waiting, 13.5 jobs/min");
	cr_expect_str_eq(v.lines[1].text, "2.0 KiB of 1.0 MiB wait, 5 dead letters");
	cr_expect_eq(v.lines[3].tone, OG_TONE_HEAD);
	cr_expect_str_eq(
		v.lines[5].text, "Large         1   8/8       0     0       7      0   1m 1s      1.0  1m 30s  paused");
	cr_expect_eq(v.lines[9].tone, OG_TONE_HEAD);
	cr_expect_null(strchr(v.lines[10].text, '\x1b'), "a node's name drives no terminal");
	cr_expect(strstr(v.lines[11].text, "draining") && strstr(v.lines[12].text, "peer"));
	og_top_view_done(&v);
}

Test(top_view, tones_say_what_needs_a_look)
{
	static const enum og_tone tones[] = {OG_TONE_BAD, OG_TONE_WARN, OG_TONE_PLAIN, OG_TONE_DIM};
	struct og_top_view v = make(OG_TOP_BY_NAME, NULL);

	for (size_t i = 0; i < 4; i++)
		cr_expect_eq(v.lines[4 + i].tone, tones[i], "%s", v.lines[4 + i].text);
	cr_expect_eq(v.lines[11].tone, OG_TONE_WARN);
	cr_expect_eq(v.lines[12].tone, OG_TONE_DIM);
	og_top_view_done(&v);
}

Test(top_view, sorted_by_what_was_asked)
{
	expect_order(OG_TOP_BY_NAME, 4, (const char *const[]){"Gone", "Large", "Small", "Unused"}, 4);
	expect_order(OG_TOP_BY_BUSY, 4, (const char *const[]){"Large", "Small", "Gone", "Unused"}, 4);
	expect_order(OG_TOP_BY_WAITING, 4, (const char *const[]){"Large", "Gone", "Small", "Unused"}, 4);
	expect_order(OG_TOP_BY_RATE, 4, (const char *const[]){"Small", "Large", "Gone", "Unused"}, 4);
	expect_order(OG_TOP_BY_NAME, 10, (const char *const[]){"Node[2JA", "NodeB", "NodeC"}, 3);
	expect_order(OG_TOP_BY_BUSY, 10, (const char *const[]){"NodeB", "Node[2JA", "NodeC"}, 3);
	expect_order(OG_TOP_BY_RATE, 10, (const char *const[]){"Node[2JA", "NodeB", "NodeC"}, 3);
}

Test(top_view, what_is_old_or_not_there_is_told)
{
	struct og_top_view v = make(OG_TOP_BY_NAME, "no scheduler answers");

	cr_expect_str_eq(v.lines[0].text, "lab: no scheduler answers");
	cr_expect_eq(v.lines[0].tone, OG_TONE_BAD);
	cr_expect_eq(v.n, 14, "and what was known last");
	og_top_view_done(&v);
	og_top_view_make(NULL, NULL, OG_TOP_BY_NAME, "lab", "connecting", &v);
	cr_expect_eq(v.n, 1);
	og_top_view_done(&v);
	json_t *empty = json_object();
	og_top_view_make(empty, empty, OG_TOP_BY_NAME, "lab", NULL, &v);
	cr_expect_str_eq(v.lines[0].text, "lab: 0 nodes, 0 of 0 slots busy, 0 waiting, 0.0 jobs/min");
	og_top_view_done(&v);
	json_decref(empty);
}
