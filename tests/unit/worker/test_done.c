#include "done.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "leaks.h"

TestSuite(done, .timeout = 60);

static const struct og_identity who = {.node_id = "11111111-1111-4111-8111-111111111111",
	.node_name = "NodeA",
	.worker = "NodeA/Small/1",
	.tier = "Small",
	.engine_model = "small-engine"};

static void expect(char *body, const char *wanted)
{
	json_t *got = json_loads(body, 0, NULL), *expected = json_loads(wanted, 0, NULL);

	cr_assert(expected && json_equal(got, expected), "got %s, wanted %s", body, wanted);
	json_decref(got);
	json_decref(expected);
	free(body);
}

Test(done, an_answer)
{
	struct og_run r = {.accepted_ms = 1000,
		.started_ms = 1004,
		.started_us = 1,
		.first_token_us = 20001,
		.ended_us = 1020001,
		.completion_tokens = 11};
	json_t *chunk = json_loads(
		"{\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"4\"}}]}", 0,
		NULL);
	bool token;

	og_answer_init(&r.answer, true);
	og_answer_add(&r.answer, chunk, &token);
	json_decref(chunk);
	expect(og_done_answer(&r, &who),
		"{\"response\":{\"id\":\"c\",\"object\":\"chat.completion\",\"model\":\"Small\",\"choices\":[{"
		"\"index\":0,\"message\":"
		"{\"role\":\"assistant\",\"content\":\"4\"}}]},\"timings\":{\"queue_ms\":4,\"first_"
		"token_ms\":20,"
		"\"run_ms\":1020,\"tokens_per_s\":10.0},\"node\":{\"id\":\"11111111-1111-4111-8111-111111111111\","
		"\"name\":"
		"\"NodeA\",\"worker\":\"NodeA/Small/1\"},\"model\":\"small-engine\",\"tier\":\"Small\"}");
	og_answer_done(&r.answer);
}

Test(done, the_answer_of_an_operation_that_does_not_stream)
{
	struct og_run r = {.started_ms = 5, .started_us = 1, .ended_us = 2001};
	json_t *whole = json_loads("{\"object\":\"list\",\"model\":\"x\",\"usage\":{\"prompt_tokens\":2}}", 0, NULL);

	og_answer_init(&r.answer, false);
	cr_assert(!og_answer_any(&r.answer));
	og_answer_whole(&r.answer, whole);
	json_decref(whole);
	cr_assert(og_answer_any(&r.answer));
	cr_assert_eq(og_answer_usage(&r.answer, "prompt_tokens"), 2);
	expect(og_done_answer(&r, &who),
		"{\"response\":{\"object\":\"list\",\"model\":\"Small\",\"usage\":{\"prompt_tokens\":2}},"
		"\"timings\":{\"queue_ms\":0,\"first_token_ms\":0,\"run_ms\":2,\"tokens_per_s\":0.0},"
		"\"node\":{\"id\":\"11111111-1111-4111-8111-111111111111\",\"name\":\"NodeA\","
		"\"worker\":\"NodeA/Small/1\"},\"model\":\"small-engine\",\"tier\":\"Small\"}");
	og_answer_done(&r.answer);
}

Test(done, an_error_before_and_after_it_ran)
{
	struct og_run r = {.fault = OG_FAULT_INVALID_REQUEST};

	expect(og_done_error(&r, &who, "the prompt is \xff"),
		"{\"error\":{\"type\":\"invalid_request\",\"message\":\"the prompt is ?\"}}");
	r = (struct og_run){.fault = OG_FAULT_ENGINE_CUT, .started_ms = 5, .started_us = 1, .ended_us = 2001};
	expect(og_done_error(&r, &who, "cut"), "{\"error\":{\"type\":\"engine_cut\",\"message\":\"cut\"},\"timings\":{"
					       "\"queue_ms\":0,\"first_token_ms\":0,\"run_ms\":2,"
					       "\"tokens_per_s\":0.0},\"node\":{\"id\":\"11111111-1111-4111-8111-"
					       "111111111111\",\"name\":\"NodeA\",\"worker\":"
					       "\"NodeA/Small/1\"},\"model\":\"small-engine\",\"tier\":\"Small\"}");
}

Test(done, a_rate_only_where_it_can_be_told)
{
	struct og_run r = {.first_token_us = 1000, .ended_us = 501000, .completion_tokens = 6};

	cr_assert_float_eq(og_done_tokens_per_s(&r), 10, 1e-9);
	r.completion_tokens = 1;
	cr_assert_eq(og_done_tokens_per_s(&r), 0);
	r.completion_tokens = 6;
	r.first_token_us = 0;
	cr_assert_eq(og_done_tokens_per_s(&r), 0);
	r.first_token_us = r.ended_us - 1;
	cr_assert_eq(og_done_tokens_per_s(&r), 0, "a clock of a microsecond cannot measure that");
}
