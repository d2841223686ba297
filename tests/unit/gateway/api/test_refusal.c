#include <criterion/criterion.h>
#include <string.h>

#include "api/refusal.h"

static struct og_refusal of(const char *error, const char *words)
{
	const struct og_job_end end = {.state = OG_STATE_FAILED, .error_type = error, .message = words};
	struct og_refusal r;

	og_refusal_of_end(&end, &r);
	return r;
}

Test(refusal, the_clusters_words_become_statuses)
{
	struct og_refusal r = of("unknown_model", "no model 'x'");

	cr_expect_eq(r.status, 404);
	cr_expect_str_eq(r.code, "model_not_found");
	cr_expect_str_eq(r.type, "invalid_request_error");
	cr_expect_str_eq(r.message, "no model 'x'");
	cr_expect_eq(of("limited", "").status, 429);
	cr_expect_eq(of("expired", "").status, 504);
	cr_expect_eq(of("engine_cut", "it hung up").status, 502);
	cr_expect_str_eq(of("engine_cut", "it hung up").message, "engine_cut: it hung up");
	cr_expect_str_eq(of("a word of tomorrow", "").message, "a word of tomorrow");
}

Test(refusal, busy_says_when_to_come_back)
{
	cr_expect_eq(of("busy", "7 waiting, try in 12 s").retry_after_s, 12);
	cr_expect_eq(of("busy", "full").retry_after_s, 5);
	cr_expect_eq(of("busy", "try in -3 s").retry_after_s, 5);
	cr_expect_eq(of("invalid_request", "try in 7 s").retry_after_s, 0, "it will be wrong then too");
}

Test(refusal, each_protocol_has_its_own_form)
{
	struct og_refusal r;
	json_t *j;

	og_refuse_with(&r, 429, "rate_limit_exceeded", "slowly");
	j = og_refusal_json(og_protocol_of_path("/v1/chat/completions"), &r, "id");
	cr_expect_str_eq(json_string_value(json_object_get(json_object_get(j, "error"), "type")), "rate_limit_error");
	cr_expect(json_is_null(json_object_get(json_object_get(j, "error"), "param")));
	json_decref(j);
	j = og_refusal_json(og_protocol_of_path("/v1/messages/count_tokens"), &r, "id");
	cr_expect_str_eq(json_string_value(json_object_get(j, "type")), "error");
	json_decref(j);
	j = og_refusal_json(og_protocol_of_path("/api/chat"), &r, "id");
	cr_expect_str_eq(json_string_value(json_object_get(j, "error")), "slowly");
	json_decref(j);
	j = og_refusal_json(og_protocol_of_path("/api/v1/jobs"), &r, "id");
	cr_expect_str_eq(
		json_string_value(json_object_get(json_object_get(j, "error"), "type")), "rate_limit_exceeded");
	json_decref(j);
}
