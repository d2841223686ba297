#include "model/catalogue.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/file.h"

TestSuite(catalogue, .timeout = 60);

#define ROW(id) "[tier " id "]\ncpu_cores = 1\nram_gib = 1\ndisk_gib = 1\n"

static struct og_catalogue *parse(const char *text)
{
	struct og_catalogue *c = NULL;
	struct og_error err = {0};

	cr_assert_eq(og_catalogue_parse(text, strlen(text), "t.ini", &c, &err), 0, "%s", err.message);
	return c;
}

static void refuses(const char *text, const char *message)
{
	struct og_catalogue *c = NULL;
	struct og_error err = {0};

	cr_expect_eq(og_catalogue_parse(text, strlen(text), "t.ini", &c, &err), -1, "accepted: %s", text);
	cr_expect_null(c);
	cr_expect_eq(err.kind, OG_INVALID);
	cr_expect_str_eq(err.message, message);
}

Test(catalogue, the_built_in_rows_are_those_of_the_table)
{
	static const struct {
		const char *id;
		double cpu_cores, ram_gib, vram_gib, disk_gib;
	} rows[] = {
		{"SmolLM2-135M", 1, 1, 0, 1},
		{"SmolLM-360M", 1, 1, 0, 2},
		{"Qwen2-0.5B", 1, 2, 0, 3},
		{"SmolLM-1.7B", 1, 4, 0, 5},
		{"TinyLlama-1.1B", 2, 1, 0, 2},
		{"Phi-2-2.7B", 2, 2, 0, 3},
		{"Llama-3.2-1.5B", 2, 4, 0, 5},
		{"Llama-3.2-3B", 4, 8, 0, 20},
		{"Llama-3.1-8B", 4, 12, 8, 30},
		{"Llama-3.1-70B", 8, 32, 24, 150},
		{"Llama-3.1-405B", 16, 64, 48, 500},
	};
	og_autofree struct og_catalogue *c = og_catalogue_default();

	cr_assert_eq(c->n, OG_COUNT(rows));
	for (size_t i = 0; i < c->n; i++) {
		cr_expect_str_eq(c->tiers[i].id, rows[i].id);
		cr_expect_eq(c->tiers[i].cpu_cores, rows[i].cpu_cores, "%s", rows[i].id);
		cr_expect_eq(c->tiers[i].ram_gib, rows[i].ram_gib, "%s", rows[i].id);
		cr_expect_eq(c->tiers[i].vram_gib, rows[i].vram_gib, "%s", rows[i].id);
		cr_expect_eq(c->tiers[i].disk_gib, rows[i].disk_gib, "%s", rows[i].id);
	}
}

Test(catalogue, a_tier_answers_to_its_id_and_aliases_in_any_case)
{
	static const char *const names[][2] = {
		{"SmolLM2-135M", "SmolLM2-135M"},
		{"smollm2", "SmolLM2-135M"},
		{"SMOLLM2:135M", "SmolLM2-135M"},
		{"smollm2-135m", "SmolLM2-135M"},
		{"llama3.2:3b", "Llama-3.2-3B"},
		{"llama3.2:1b", "Llama-3.2-1.5B"},
		{"llama-3.1-405b", "Llama-3.1-405B"},
	};
	og_autofree struct og_catalogue *c = og_catalogue_default();

	for (size_t i = 0; i < OG_COUNT(names); i++) {
		const struct og_tier *t = og_catalogue_find(c, names[i][0]);

		cr_assert_not_null(t, "%s", names[i][0]);
		cr_expect_str_eq(t->id, names[i][1]);
	}
	cr_expect_null(og_catalogue_find(c, "gpt"));
	cr_expect_null(og_catalogue_find(c, ""));
}

Test(catalogue, the_tier_of_a_model_that_was_never_released_runs_the_one_that_was)
{
	og_autofree struct og_catalogue *c = og_catalogue_default();

	cr_expect_str_eq(og_catalogue_find(c, "Llama-3.2-1.5B")->engine_model, "llama3.2:1b");
}

Test(catalogue, keys_are_found_as_they_are_in_queue_names)
{
	og_autofree struct og_catalogue *c = og_catalogue_default();

	cr_expect_str_eq(og_catalogue_find_key(c, "llama-3_2-3b")->id, "Llama-3.2-3B");
	cr_expect_null(og_catalogue_find_key(c, "Llama-3.2-3B"));
}

Test(catalogue, every_key_of_a_row_is_read)
{
	og_autofree struct og_catalogue *c = parse("; a comment\n"
						   "[tier A.b]\n"
						   "cpu_cores = 0.5\n"
						   "ram_gib = 1.5 ; an inline one\n"
						   "vram_gib=24\n"
						   "disk_gib = 100\n"
						   "context_tokens = 4096\n"
						   "engine_model = some/thing:q4\n"
						   "aliases = one, two three,a.B\n"
						   "capabilities = vision, tools\n");
	const struct og_tier *t = &c->tiers[0];

	cr_assert_eq(c->n, 1);
	cr_expect_str_eq(t->id, "A.b");
	cr_expect_str_eq(t->key, "a_b");
	cr_expect_eq(t->cpu_cores, 0.5);
	cr_expect_eq(t->ram_gib, 1.5);
	cr_expect_eq(t->vram_gib, 24);
	cr_expect_eq(t->disk_gib, 100);
	cr_expect_eq(t->context_tokens, 4096);
	cr_expect_str_eq(t->engine_model, "some/thing:q4");
	cr_assert_eq(t->n_aliases, 4);
	cr_expect_str_eq(t->aliases[2], "three");
	cr_expect_str_eq(t->aliases[3], "a.B");
	cr_expect_eq(t->capabilities, 3);
	cr_expect_str_eq(og_capabilities[0], "tools");
	cr_expect_str_eq(og_capabilities[1], "vision");
}

Test(catalogue, what_may_be_left_out_has_a_default)
{
	og_autofree struct og_catalogue *c = parse(ROW("Tiny"));

	cr_expect_eq(c->tiers[0].vram_gib, 0);
	cr_expect_eq(c->tiers[0].context_tokens, 0);
	cr_expect_eq(c->tiers[0].n_aliases, 0);
	cr_expect_eq(c->tiers[0].capabilities, 0, "nothing is claimed that nobody said");
	cr_expect_str_eq(c->tiers[0].engine_model, "Tiny");
}

Test(catalogue, a_mistake_is_told_with_file_line_and_key)
{
	refuses("[tier A]\ncpu_cores = 1\nram_gb = 1\n", "t.ini:3: unknown key 'ram_gb': did you mean 'ram_gib'?");
	refuses(ROW("A") "vram_gib = 8\nvram_gib = 9\n", "t.ini:6: 'vram_gib' is given twice for tier A");
	refuses("cpu_cores = 1\n", "t.ini:1: 'cpu_cores' stands in section [], not in a [tier <id>]");
	refuses("\n[A]\ncpu_cores = 1\n", "t.ini:3: 'cpu_cores' stands in section [A], not in a [tier <id>]");
	refuses("[tier A]\ncpu_cores\n", "t.ini:2: neither [section] nor key = value");
	refuses("[tier A]\ncpu_cores = 1\nram_gib = 1\n", "t.ini: [tier A] has no 'disk_gib'");
	refuses("[tier A]\ncpu_cores = 1\ndisk_gib = 1\n" ROW("B"), "t.ini: [tier A] has no 'ram_gib'");
	refuses("; nothing\n", "t.ini: no [tier <id>] in it");
	refuses(ROW("A") "engine_model =\n", "t.ini:5: engine_model: does not have 1 to 127 bytes");
	refuses(ROW("A") "capabilities = tool\n",
		"t.ini:5: capabilities: 'tool' is none of tools, vision, thinking, insert, embedding");
}

Test(catalogue, a_bad_number_is_told_with_its_key)
{
	static const char *const lines[] = {
		"cpu_cores = two",
		"cpu_cores = -1",
		"cpu_cores = 1e9",
		"ram_gib = nan",
		"ram_gib = 8GiB",
		"vram_gib = inf",
		"disk_gib =",
		"context_tokens = 2048.5",
	};

	for (size_t i = 0; i < OG_COUNT(lines); i++) {
		og_autofree char *text = og_printf("[tier A]\n%s\n", lines[i]);
		og_autofree char *begin =
			og_printf("t.ini:2: %.*s: ", (int)strcspn(lines[i], " "), lines[i]); /* its key */
		struct og_catalogue *c;
		struct og_error err = {0};

		cr_expect_eq(og_catalogue_parse(text, strlen(text), "t.ini", &c, &err), -1, "%s", lines[i]);
		cr_expect(!strncmp(err.message, begin, strlen(begin)), "%s", err.message);
	}
}

Test(catalogue, names_are_unique_over_all_tiers)
{
	refuses(ROW("A") ROW("B") ROW("a"), "t.ini:10: [tier a]: 'a' is already a name of tier A");
	refuses(ROW("A.x") ROW("A_x"), "t.ini:6: [tier A_x]: its key 'a_x' is also that of tier A.x");
	refuses(ROW("A") "aliases = one\n" ROW("B") "aliases = two, ONE\n",
		"t.ini:10: aliases: 'ONE' is already a name of tier A");
	refuses(ROW("A") "aliases = one, One\n", "t.ini:5: aliases: 'One' is given twice");
	refuses(ROW("A") ROW("B") "aliases = a\n", "t.ini:9: aliases: 'a' is already a name of tier A");
	refuses(ROW("A") "aliases = B\n" ROW("B"), "t.ini:7: [tier B]: 'B' is already a name of tier A");
	refuses(ROW("A") "aliases = auto\n",
		"t.ini:5: aliases: 'auto' is reserved: it asks for the best tier that is served");
	refuses(ROW("Auto"), "t.ini:2: [tier Auto]: 'auto' is reserved: it asks for the best tier that is served");
	refuses(ROW("A b"), "t.ini:2: [tier A b]: 'A b' holds a character outside printable ASCII");
	refuses(ROW("A\303\251"), "t.ini:2: [tier A\303\251]: 'A\303\251' holds a character outside printable ASCII");
}

Test(catalogue, its_bounds_hold)
{
	struct og_buf text;
	struct og_error err = {0};
	struct og_catalogue *c = NULL;

	og_buf_init(&text, 2 * OG_CATALOGUE_CAP);
	for (int i = 0; i < OG_TIERS_MAX; i++)
		og_buf_addf(&text, "[tier T%d]\ncpu_cores = 1\nram_gib = 1\ndisk_gib = 1\n", i);
	og_buf_adds(&text, "aliases = a0");
	for (int i = 1; i < OG_ALIASES_MAX; i++)
		og_buf_addf(&text, ", a%d", i);
	cr_assert_eq(og_catalogue_parse(text.data, text.len, "t.ini", &c, &err), 0, "%s", err.message);
	cr_expect_eq(c->n, OG_TIERS_MAX);
	cr_expect_eq(c->tiers[OG_TIERS_MAX - 1].n_aliases, OG_ALIASES_MAX);
	free(c);

	og_buf_adds(&text, ", more\n");
	refuses(text.data, "t.ini:257: aliases: more than 16 names");
	og_buf_drop_head(&text, strlen("[tier T0]\n")); /* and its keys into no section */
	refuses(text.data, "t.ini:1: 'cpu_cores' stands in section [], not in a [tier <id>]");
	og_buf_clear(&text);
	for (int i = 0; i <= OG_TIERS_MAX; i++)
		og_buf_addf(&text, "[tier T%d]\ncpu_cores = 1\nram_gib = 1\ndisk_gib = 1\n", i);
	refuses(text.data, "t.ini:258: [tier T64]: there are more than 64 tiers");
	while (text.len <= OG_CATALOGUE_CAP)
		og_buf_adds(&text, "; filling\n");
	refuses(text.data, "t.ini is longer than 262144 bytes");
	og_buf_done(&text);
}

Test(catalogue, an_unknown_model_is_told_with_the_nearest)
{
	og_autofree struct og_catalogue *c = og_catalogue_default();
	og_autofree struct og_catalogue *one = parse(ROW("Only"));
	og_autofree struct og_catalogue *two = parse(ROW("Only") ROW("Other"));
	struct og_error err;

	cr_expect_eq(og_catalogue_unknown(c, "Llama-3.2-4B", NULL, &err), -1);
	cr_expect_eq(err.kind, OG_INVALID);
	cr_expect_str_eq(
		err.message, "unknown model 'Llama-3.2-4B': nearest are Llama-3.2-1.5B, Llama-3.2-3B, Llama-3.1-8B");
	og_catalogue_unknown(c, "qwen", NULL, &err);
	cr_expect(strstr(err.message, "nearest are Qwen2-0.5B, "), "%s", err.message);
	og_catalogue_unknown(one, "x", NULL, &err);
	cr_expect_str_eq(err.message, "unknown model 'x': nearest is Only");
	og_catalogue_unknown(two, "othr", NULL, &err);
	cr_expect_str_eq(err.message, "unknown model 'othr': nearest are Other, Only");
}

Test(catalogue, of_what_is_served_where_anything_is)
{
	og_autofree struct og_catalogue *c = parse(ROW("Only") ROW("Other"));
	const bool first[] = {true, false}, none[] = {false, false};
	struct og_error err;

	og_catalogue_unknown(c, "othr", first, &err);
	cr_expect_str_eq(err.message, "unknown model 'othr': nearest is Only");
	og_catalogue_unknown(c, "othr", none, &err);
	cr_expect_str_eq(err.message, "unknown model 'othr': nearest are Other, Only");
}

Test(catalogue, the_default_tag_may_be_said_or_left_out)
{
	og_autofree struct og_catalogue *c = parse(ROW("Only") "aliases = o, tagged:Latest, o:7b\n");

	for (size_t i = 0; i < 6; i++)
		cr_expect_eq(og_catalogue_find(c, (const char *[]){"only:latest", "o:LATEST", "o", "tagged",
							  "tagged:latest", "o:7b"}[i]),
			&c->tiers[0], "%zu", i);
	cr_expect_null(og_catalogue_find(c, ":latest"));
	cr_expect_null(og_catalogue_find(c, "o:7b:latest:latest"));
	cr_expect_null(og_catalogue_find(c, "o:lates"));
}

Test(catalogue, the_built_in_text_is_a_file_that_loads)
{
	char path[] = "/tmp/og-catalogue-XXXXXX";
	const char *text = og_catalogue_default_text();
	og_autofree struct og_catalogue *built_in = og_catalogue_default();
	og_autofree struct og_catalogue *loaded = NULL;
	struct og_error err = {0};

	close(mkstemp(path));
	cr_assert_eq(og_file_write_atomic(path, text, strlen(text), 0600, &err), 0, "%s", err.message);
	cr_expect_eq(og_catalogue_load(path, &loaded, &err), 0, "%s", err.message);
	cr_expect_arr_eq(loaded, built_in, sizeof(*loaded));
	unlink(path);
}

Test(catalogue, without_a_file_the_built_in_one_counts)
{
	static const char *const paths[] = {NULL, "", "/nonexistent/catalogue.ini"};
	struct og_catalogue *c = NULL;
	struct og_error err;

	for (size_t i = 0; i < OG_COUNT(paths); i++) {
		cr_assert_eq(og_catalogue_load(paths[i], &c, &err), 0);
		cr_expect_eq(c->n, 11);
		free(c);
	}
	c = NULL;
	cr_expect_eq(og_catalogue_load("/tmp", &c, &err), -1, "a folder is no catalogue");
	cr_expect_null(c);
}
