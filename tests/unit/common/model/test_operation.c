#include "model/operation.h"

#include <criterion/criterion.h>
#include <string.h>

Test(operation, names)
{
	static const enum og_operation all[] = {OG_OPERATION_GENERATE, OG_OPERATION_EMBED, OG_OPERATION_COUNT_TOKENS};
	enum og_operation o;

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		cr_assert_eq(og_operation_parse(og_operation_name(all[i]), &o, NULL), 0);
		cr_assert_eq(o, all[i]);
	}
	cr_assert_eq(og_operation_parse(NULL, &o, NULL), 0);
	cr_assert_eq(o, OG_OPERATION_GENERATE);
}

Test(operation, what_is_none_is_told_by_name)
{
	enum og_operation o = OG_OPERATION_EMBED;
	struct og_error err;

	cr_assert_eq(og_operation_parse("paint", &o, &err), -1);
	cr_assert_eq(err.kind, OG_INVALID);
	cr_assert(strstr(err.message, "'paint'") && strstr(err.message, "count_tokens"), "%s", err.message);
	cr_assert_eq(o, OG_OPERATION_EMBED);
}

Test(operation, is)
{
	cr_assert(og_operation_is(NULL, OG_OPERATION_GENERATE));
	cr_assert(og_operation_is("embed", OG_OPERATION_EMBED));
	cr_assert(!og_operation_is("embed", OG_OPERATION_GENERATE));
	cr_assert(!og_operation_is("paint", OG_OPERATION_GENERATE));
}
