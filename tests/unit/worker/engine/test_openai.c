#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "engine/dialect.h"
#include "leaks.h"

TestSuite(openai, .timeout = 60);

static void check_request(const char *body, const char *wanted, const char *wanted_path)
{
	struct og_request q;
	struct og_error err;
	const char *path;
	json_t *got, *expected = json_loads(wanted, 0, NULL);
	og_autofree char *text = NULL;

	cr_assert(expected, "%s", wanted);
	cr_assert_eq(og_request_parse("id", NULL, body, strlen(body), &q, &err), 0, "%s", err.message);
	got = og_dialect_openai.request(&q, "the-engine-s", &path);
	text = json_dumps(got, 0);
	cr_assert(json_equal(got, expected), "got %s, wanted %s", text, wanted);
	cr_assert_str_eq(path, wanted_path);
	json_decref(got);
	json_decref(expected);
	og_request_done(&q);
}

Test(openai, unknown_parameters_pass_through_and_ours_are_set)
{
	check_request(
		"{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],\"model\":\"SmolLM2\",\"temperature\":0.5,"
		"\"logit_bias\":{\"5\":1},\"stream\":false}",
		"{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],\"model\":\"the-engine-s\",\"temperature\":0.5,"
		"\"logit_bias\":{\"5\":1},\"stream\":true,\"stream_options\":{\"include_usage\":true}}",
		"/chat/completions");
	check_request("{\"prompt\":\"once\",\"stream_options\":{\"x\":1,\"include_usage\":false}}",
		"{\"prompt\":\"once\",\"model\":\"the-engine-s\",\"stream\":true,\"stream_options\":{\"x\":1,\"include_"
		"usage\":true}}",
		"/completions");
}

Test(openai, an_event_that_says_null_says_nothing)
{
	struct og_sse_event null = {.event = "", .data = "null", .len = 4},
			    number = {.event = "", .data = "7", .len = 1};
	struct og_dialect_run run = {.chat = false};
	struct og_dialect_event got = {0}, bad = {0};

	og_dialect_openai.event(&run, &null, &got);
	cr_assert(!got.chunk && !got.end && got.fault == OG_FAULT_NONE);
	og_dialect_openai.event(&run, &number, &bad);
	cr_assert_eq(bad.fault, OG_FAULT_ENGINE_GARBAGE);
}

static int probed(size_t step, const char *body, struct og_serves *serves, struct og_error *err)
{
	json_t *json = body ? json_loads(body, 0, NULL) : NULL;
	int rc = og_dialect_openai.probed(step, json, serves, err);

	json_decref(json);
	return rc;
}

Test(openai, what_a_probe_reads)
{
	og_autofree struct og_serves *serves = og_new(struct og_serves);
	struct og_error err;

	cr_assert_eq(probed(0, NULL, serves, &err), 0);
	cr_assert_eq(probed(1, "{\"data\":[{\"id\":\"a\"},{\"id\":\"\"},{\"id\":7},{\"id\":\"b\"}]}", serves, &err), 0);
	cr_assert_eq(serves->n_models, 2);
	cr_assert_str_eq(serves->models[1], "b");
	cr_assert_eq(probed(2, "{\"total_slots\":4}", serves, &err), 0);
	cr_assert_eq(serves->slots, 4);
	cr_assert_eq(serves->context, 0);
	cr_assert_eq(
		probed(2, "{\"total_slots\":4,\"default_generation_settings\":{\"n_ctx\":2048}}", serves, &err), 0);
	cr_assert_eq(serves->context, 2048);
	serves->context = 0;
	cr_assert_eq(probed(2, "{\"modalities\":{\"vision\":true},\"default_generation_settings\":{\"n_ctx\":2048}}",
			     serves, &err),
		0);
	cr_assert_eq(serves->context, 0, "what takes images is not judged by bytes");
	cr_assert_eq(probed(2, NULL, serves, &err), 0);
	cr_assert_eq(probed(1, "{\"models\":[]}", serves, &err), -1);
	cr_assert_eq(err.kind, OG_RETRY);
	cr_assert_eq(probed(1, NULL, serves, &err), -1);
}
