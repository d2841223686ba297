#include <criterion/criterion.h>
#include <string.h>

#include "base/alloc.h"
#include "leaks.h"
#include "model/job.h"

TestSuite(job, .timeout = 60);

Test(job, names_and_states_go_both_ways)
{
	struct og_error err = {0};

	for (int i = 0; i < OG_STATES; i++) {
		enum og_state s = OG_STATES;

		cr_expect_eq(og_state_parse(og_state_name((enum og_state)i), &s, NULL), 0);
		cr_expect_eq((int)s, i);
	}
	for (int i = 0; i < OG_CLASSES; i++) {
		enum og_class c = OG_CLASSES;

		cr_expect_eq(og_class_parse(og_class_name((enum og_class)i), &c, NULL), 0);
		cr_expect_eq((int)c, i);
	}
	cr_expect_str_eq(og_state_name(OG_STATE_NO_CAPACITY), "no_capacity");
	cr_expect_eq(og_state_parse("Done", &(enum og_state){0}, &err), -1);
	cr_expect_str_eq(err.message, "'Done' is no state of a job");
	cr_expect_eq(og_class_parse("urgent", &(enum og_class){0}, &err), -1);
	cr_expect_str_eq(err.message, "'urgent' is no class (high, normal, batch)");
	cr_expect_eq(og_class_parse("", &(enum og_class){0}, &err), -1);
}

/* The diagram, row by row: what may follow, and nothing else. */
Test(job, the_diagram)
{
	static const char *const rows[OG_STATES][2] = {
		{"accepted", "queued placed failed cancelled expired dead busy no_capacity"},
		{"queued", "placed failed cancelled expired dead no_capacity"},
		{"placed", "running done failed cancelled expired dead no_capacity"},
		{"running", "placed done failed cancelled expired dead no_capacity"},
		{"done", ""},
		{"failed", ""},
		{"cancelled", ""},
		{"expired", ""},
		{"dead", ""},
		{"busy", ""},
		{"no_capacity", ""},
	};

	for (size_t i = 0; i < OG_COUNT(rows); i++) {
		og_autofree char *followers = og_printf(" %s ", rows[i][1]);
		enum og_state from;

		cr_assert_eq(og_state_parse(rows[i][0], &from, NULL), 0);
		cr_expect_eq(og_state_terminal(from), !*rows[i][1], "%s", rows[i][0]);
		for (int to = 0; to < OG_STATES; to++) {
			og_autofree char *name = og_printf(" %s ", og_state_name((enum og_state)to));

			cr_expect_eq(og_state_may_follow(from, (enum og_state)to), strstr(followers, name) != NULL,
				"%s → %s", rows[i][0], name);
		}
	}
}

Test(job, exits)
{
	cr_expect_eq(og_state_exit(OG_STATE_DONE), 0);
	cr_expect_eq(og_state_exit(OG_STATE_FAILED), 3);
	cr_expect_eq(og_state_exit(OG_STATE_DEAD), 3);
	cr_expect_eq(og_state_exit(OG_STATE_EXPIRED), 4);
	cr_expect_eq(og_state_exit(OG_STATE_CANCELLED), 5);
	cr_expect_eq(og_state_exit(OG_STATE_BUSY), 6);
	cr_expect_eq(og_state_exit(OG_STATE_NO_CAPACITY), 7);
	cr_expect_eq(og_state_exit(OG_STATE_RUNNING), OG_EXIT_INTERNAL);
}
