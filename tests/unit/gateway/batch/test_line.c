#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "batch/line.h"
#include "leaks.h"
#include "model/json.h"

#define CHAT            "/v1/chat/completions"
#define LINE(url, body) "{\"custom_id\":\"a\",\"method\":\"POST\",\"url\":\"" url "\",\"body\":" body "}"

static int read_line(const char *text, const char *endpoint, struct og_batch_line *ret, struct og_refusal *why)
{
	return og_batch_line_read(text, strlen(text), "batch_1", 7, endpoint, ret, why);
}

Test(line, goes_to_the_engine_whole_and_has_the_id_of_its_number)
{
	struct og_batch_line l, other;
	struct og_refusal why;

	cr_assert_eq(read_line(LINE(CHAT, "{\"model\":\"m\",\"messages\":[],\"stream\":true,\"max_tokens\":9}"), CHAT,
			     &l, &why),
		0);
	cr_expect_str_eq(l.body, "{\"model\":\"m\",\"messages\":[],\"max_tokens\":9}");
	cr_expect(!strcmp(l.custom_id, "a") && !strcmp(l.model, "m") && l.max_tokens == 9);
	cr_assert_eq(read_line(LINE(CHAT, "{\"model\":\"x\",\"messages\":[]}"), CHAT, &other, &why), 0);
	cr_expect_str_eq(other.job, l.job);
	og_batch_line_done(&other);
	og_batch_line_done(&l);
}

Test(line, a_response_becomes_a_chat)
{
	struct og_batch_line l;
	struct og_refusal why;
	json_t *result = json_loads("{\"response\":{\"choices\":[{\"message\":{\"content\":\"hi\"}}]}}", 0, NULL);
	char *text;

	cr_assert_eq(
		read_line(LINE("/v1/responses", "{\"model\":\"m\",\"input\":\"x\"}"), "/v1/responses", &l, &why), 0);
	cr_expect(strstr(l.body, "\"messages\""));
	text = og_batch_answer(&l, result);
	cr_expect(strstr(text, "\"object\":\"response\"") && text[strlen(text) - 1] == '\n');
	free(text);
	json_decref(result);
	og_batch_line_done(&l);
}

Test(line, what_is_wrong_is_named)
{
	static const char *const bad[] = {"", "{", "[]", "{}",
		LINE("/v1/completions", "{\"model\":\"m\",\"prompt\":\"x\"}"), LINE(CHAT, "7"),
		LINE(CHAT, "{\"messages\":[]}"), LINE(CHAT, "{\"model\":\"m\"}")};
	struct og_batch_line l;
	struct og_refusal why;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		char *text;

		cr_expect_eq(read_line(bad[i], CHAT, &l, &why), -1, "%s", bad[i]);
		text = og_batch_failure(&l, &why);
		cr_expect(strstr(text, "\"error\":{\"code\":\"invalid_"), "%s", text);
		free(text);
		og_batch_line_done(&l);
	}
}

Test(line, one_of_too_many_values_is_not_parsed)
{
	size_t n = 2 * (OG_JSON_CONTAINERS_MAX + 1) + 1;
	char *text = malloc(n);
	struct og_batch_line l;
	struct og_refusal why;

	memset(text, '[', n);
	text[n - 1] = '\0';
	cr_assert_eq(read_line(text, CHAT, &l, &why), -1);
	cr_expect(strstr(why.message, "100000"), "%s", why.message);
	free(text);
}

Test(line, a_result_without_an_answer_is_none)
{
	struct og_batch_line l = {0};
	json_t *result = json_object();

	cr_expect_null(og_batch_answer(&l, result));
	cr_expect_null(og_batch_answer(&l, NULL));
	json_decref(result);
}
