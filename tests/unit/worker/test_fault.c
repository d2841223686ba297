#include "fault.h"

#include <criterion/criterion.h>

#include "leaks.h"

TestSuite(fault, .timeout = 60);

Test(fault, how_each_ends_a_job)
{
	cr_assert_eq(og_fault_state(OG_FAULT_NONE), OG_STATE_DONE);
	cr_assert_eq(og_fault_state(OG_FAULT_EXPIRED), OG_STATE_EXPIRED);
	cr_assert_eq(og_fault_state(OG_FAULT_CANCELLED), OG_STATE_CANCELLED);
	cr_assert_eq(og_fault_state(OG_FAULT_TOO_LARGE), OG_STATE_FAILED);
	cr_assert_eq(og_fault_state(OG_FAULT_ENGINE_CUT), OG_STATE_FAILED);
	cr_assert_str_eq(og_fault_name(OG_FAULT_ENGINE_STALLED), "engine_stalled");
}

Test(fault, only_the_engines_own_doubt_it)
{
	cr_assert(!og_fault_doubts_engine(OG_FAULT_NONE));
	cr_assert(!og_fault_doubts_engine(OG_FAULT_CANCELLED));
	cr_assert(!og_fault_doubts_engine(OG_FAULT_ENGINE_ERROR), "it refused the prompt");
	cr_assert(og_fault_doubts_engine(OG_FAULT_ENGINE_UNAVAILABLE));
	cr_assert(og_fault_doubts_engine(OG_FAULT_ENGINE_GARBAGE));
}

Test(fault, another_try_may_help_where_the_prompt_is_not_to_blame)
{
	cr_assert(!og_fault_retryable(OG_FAULT_NONE));
	cr_assert(!og_fault_retryable(OG_FAULT_INVALID_REQUEST));
	cr_assert(!og_fault_retryable(OG_FAULT_UNKNOWN_VERSION));
	cr_assert(!og_fault_retryable(OG_FAULT_TOO_LARGE));
	cr_assert(!og_fault_retryable(OG_FAULT_EXPIRED));
	cr_assert(!og_fault_retryable(OG_FAULT_CANCELLED));
	cr_assert(!og_fault_retryable(OG_FAULT_ENGINE_ERROR));
	cr_assert(og_fault_retryable(OG_FAULT_WORKER_LOST));
	cr_assert(og_fault_retryable(OG_FAULT_DRAINING));
	cr_assert(og_fault_retryable(OG_FAULT_ENGINE_UNAVAILABLE));
	cr_assert(og_fault_retryable(OG_FAULT_ENGINE_CUT));
	cr_assert(og_fault_retryable(OG_FAULT_ENGINE_STALLED));
	cr_assert(og_fault_retryable(OG_FAULT_ENGINE_GARBAGE));
	cr_assert(!og_fault_doubts_engine(OG_FAULT_WORKER_LOST), "the engine has nothing to do with it");
	cr_assert(!og_fault_doubts_engine(OG_FAULT_DRAINING));
}
