/* What the user is told of an answer, as an exit status. */
#include "answer.h"

#include <criterion/criterion.h>

#include "leaks.h"

Test(answer, what_may_work_again_soon_has_not_failed)
{
	cr_assert_eq(og_answer_exit("busy", OG_EXIT_FAILED), OG_EXIT_BUSY);
	cr_assert_eq(og_answer_exit("not_found", OG_EXIT_FAILED), OG_EXIT_NOT_FOUND);
	cr_assert_eq(og_answer_exit("engine_error", OG_EXIT_FAILED), OG_EXIT_FAILED);
}
