#include "tier_choice.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "leaks.h"

TestSuite(tier_choice, .timeout = 60);

static const char rows[] =
	"[tier Small]\ncpu_cores = 1\nram_gib = 1\nvram_gib = 0\ndisk_gib = 1\nengine_model = small-engine\naliases = "
	"tiny\n"
	"[tier Middle]\ncpu_cores = 2\nram_gib = 4\nvram_gib = 0\ndisk_gib = 1\n"
	"[tier Big]\ncpu_cores = 8\nram_gib = 64\nvram_gib = 0\ndisk_gib = 1\nengine_model = big:latest\n";

static struct og_catalogue *catalogue;
static struct og_profile profile;
static struct og_serves serves;
static struct og_tier_choice choice;
static struct og_error err;

static void setup(void)
{
	cr_assert_eq(og_catalogue_parse(rows, strlen(rows), "test", &catalogue, &err), 0, "%s", err.message);
	profile = (struct og_profile){
		.cpu_cores = 4, .ram_total_bytes = INT64_C(8) << 30, .disk_free_bytes = INT64_C(1) << 40};
	serves = (struct og_serves){0};
	err = (struct og_error){0};
}

static void teardown(void)
{
	free(catalogue);
}

static void serve(const char *name)
{
	snprintf(serves.models[serves.n_models++], OG_NAME_MAX, "%s", name);
}

static int choose(const char *tier, const char *model)
{
	const struct og_tier_wish wish = {tier, model};

	return og_tier_choose(catalogue, &profile, &serves, &wish, &choice, &err);
}

static void expect(const char *tier, const char *model)
{
	cr_assert_str_eq(choice.tier->id, tier);
	cr_assert_str_eq(choice.model, model);
}

Test(tier_choice, auto_takes_the_best_that_is_eligible_and_served, .init = setup, .fini = teardown)
{
	serve("small-engine");
	serve("Middle");
	serve("big:latest");
	cr_assert_eq(choose("auto", ""), 0);
	expect("Middle", "Middle");
	cr_assert_str_eq(choice.warning, "");
}

Test(tier_choice, an_engine_may_know_a_model_by_any_of_its_names, .init = setup, .fini = teardown)
{
	serve("TINY");
	cr_assert_eq(choose("auto", ""), 0);
	expect("Small", "TINY");
}

Test(tier_choice, echo_serves_whatever_it_is_asked_for, .init = setup, .fini = teardown)
{
	serves.any = true;
	cr_assert_eq(choose("auto", ""), 0);
	expect("Middle", "Middle");
	cr_assert_eq(choose("Small", ""), 0);
	expect("Small", "small-engine");
}

Test(tier_choice, auto_finds_none_and_says_why, .init = setup, .fini = teardown)
{
	cr_assert_eq(choose("auto", ""), -1);
	cr_assert_eq(err.kind, OG_RETRY);
	cr_assert(strstr(err.message, "serves no model"), "%s", err.message);
	serve("mistral");
	cr_assert_eq(choose("auto", ""), -1);
	cr_assert(strstr(err.message, "mistral"), "%s", err.message);
	serve("big:latest");
	cr_assert_eq(choose("auto", ""), -1);
	cr_assert(strstr(err.message, "too small for Big"), "%s", err.message);
}

Test(tier_choice, a_named_tier_must_be_served, .init = setup, .fini = teardown)
{
	serve("mistral");
	cr_assert_eq(choose("Small", ""), -1);
	cr_assert_eq(err.kind, OG_RETRY);
	cr_assert(strstr(err.message, "mistral, not small-engine"), "%s", err.message);
	cr_assert_eq(choose("Small", "Mistral"), 0);
	expect("Small", "mistral");
}

Test(tier_choice, a_named_tier_on_a_small_machine_is_served_with_a_warning, .init = setup, .fini = teardown)
{
	serve("big:latest");
	cr_assert_eq(choose("big", ""), 0);
	expect("Big", "big:latest");
	cr_assert(strstr(choice.warning, "too small"), "%s", choice.warning);
}

Test(tier_choice, a_named_model_names_its_tier, .init = setup, .fini = teardown)
{
	serve("small-engine");
	serve("Middle");
	cr_assert_eq(choose("auto", "small-engine"), 0);
	expect("Small", "small-engine");
	cr_assert_eq(choose("auto", "mistral"), -1);
	cr_assert_eq(err.kind, OG_INVALID);
	cr_assert(strstr(err.message, "--tier"), "%s", err.message);
}

Test(tier_choice, an_unknown_tier_is_told_with_the_nearest, .init = setup, .fini = teardown)
{
	cr_assert_eq(choose("Smal", ""), -1);
	cr_assert_eq(err.kind, OG_INVALID);
	cr_assert(strstr(err.message, "Small"), "%s", err.message);
}
