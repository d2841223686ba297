/* Tiers by the names that clients have for them. */
#include "api/tiers.h"

#include <criterion/criterion.h>

#include "leaks.h"

Test(tiers, by_id_or_alias_in_any_case)
{
	json_t *answer = json_pack("{s:[{s:s, s:[s], s:i}, {s:s, s:[], s:i}]}", "tiers", "id", "Big", "aliases", "b:70",
		"workers", 1, "id", "Small", "aliases", "workers", 0);
	const json_t *big = og_tiers_find(answer, "big");

	cr_assert(big && og_tiers_is_served(big));
	cr_assert_eq(og_tiers_find(answer, "B:70"), big);
	cr_assert_eq(og_tiers_find(answer, "big:latest"), big);
	cr_assert_not(og_tiers_is_served(og_tiers_find(answer, "small")));
	cr_assert_null(og_tiers_find(answer, "b"));
	json_decref(answer);
}
