#include "show.h"

#include "leaks.h"

#include <criterion/criterion.h>

TestSuite(show, .timeout = 60);

Test(show, durations)
{
	static const struct {
		int64_t ms;
		const char *text;
	} cases[] = {{0, "0ms"}, {999, "999ms"}, {1000, "1.0s"}, {3250, "3.2s"}, {59999, "59.9s"}, {60000, "1m 0s"},
		{252000, "4m 12s"}, {3600000, "1h 0m"}, {90000000, "1d 1h"}, {-1, "-"}};
	char out[OG_SHOW_SIZE];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		og_show_duration(cases[i].ms, out);
		cr_assert_str_eq(out, cases[i].text);
	}
}

Test(show, bytes)
{
	static const struct {
		int64_t bytes;
		const char *text;
	} cases[] = {{0, "0 B"}, {1023, "1023 B"}, {1024, "1.0 KiB"}, {8388608, "8.0 MiB"}, {536870912, "512 MiB"},
		{INT64_C(8375186227), "7.8 GiB"}};
	char out[OG_SHOW_SIZE];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		og_show_bytes(cases[i].bytes, out);
		cr_assert_str_eq(out, cases[i].text);
	}
}

Test(show, what_is_not_there)
{
	json_t *object = json_pack("{s:s, s:i}", "name", "NodeA", "slots", 4);

	cr_assert_str_eq(og_show_text(object, "name"), "NodeA");
	cr_assert_str_eq(og_show_text(object, "slots"), "");
	cr_assert_eq(og_show_int(object, "slots"), 4);
	cr_assert_eq(og_show_int(object, "gone"), 0);
	cr_assert_str_eq(og_show_text(NULL, "name"), "");
	json_decref(object);
}

Test(show, what_waits_and_the_dead_where_they_are_known)
{
	json_t *queues = json_pack("{s:i, s:i}", "waiting_bytes", 2048, "waiting_max_bytes", 1 << 30);
	char *text = og_show_waiting(queues);

	cr_assert_str_eq(text, "2.0 KiB of 1.0 GiB wait");
	free(text);
	json_object_set_new(queues, "dead", json_integer(4));
	text = og_show_waiting(queues);
	cr_assert_str_eq(text, "2.0 KiB of 1.0 GiB wait, 4 dead letters");
	free(text);
	json_decref(queues);
}

Test(show, a_tiers_row)
{
	json_t *tier = json_pack("{s:s, s:i, s:i, s:i, s:i, s:{s:i, s:i}}", "id", "Llama-3.2-1B", "workers", 2, "busy",
		3, "slots", 8, "placed", 4, "waiting", "high", 5, "batch", 6);
	struct og_table *table = og_table_new(NULL, 7);
	char *text;

	og_show_tier(table, tier);
	cr_assert_eq(og_table_rows(table), 1);
	text = og_table_text(table);
	cr_assert_str_eq(text, "Llama-3.2-1B  2  3/8  4  5  0  6\n");
	free(text);
	og_table_free(table);
	json_decref(tier);
}
