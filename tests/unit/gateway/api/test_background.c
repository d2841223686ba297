/* Which requests chat UIs make on the side. */
#include "api/background.h"

#include <criterion/criterion.h>
#include <string.h>

#include "base/alloc.h"
#include "leaks.h"
#include "model/settings.h"

static bool is(const char *rule, const char *body)
{
	json_t *q = json_loads(body, 0, NULL);
	bool yes;

	cr_assert(q, "the test's own JSON is wrong: %s", body);
	yes = og_background_is(rule, q);
	json_decref(q);
	return yes;
}

#define USER(text) "{\"messages\":[{\"role\":\"user\",\"content\":\"" text "\"}]}"

Test(background, the_beginning_of_what_the_user_says_last)
{
	const char *rule = "prompt:### Task: Generate a title, prompt:Suggest";

	cr_expect(is(rule, USER("### Task:\\nGenerate a title for this")));
	cr_expect(is(rule, USER("  ### task:  generate A TITLE")));
	cr_expect(is(rule, USER("suggest three")));
	cr_expect_not(is(rule, USER("### Task:\\nRespond to the user")));
	cr_expect_not(is(rule, USER("### Task: Generate a ti")));
	cr_expect_not(is(rule, USER("###Task: Generate a title")));
	cr_expect_not(is(rule, USER("Please: ### Task: Generate a title")));
	cr_expect_not(is(rule, USER("")));
	cr_expect(is(rule, "{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"},{\"role\":\"user\",\"content\":"
			   "[{\"type\":\"image_url\"},{\"type\":\"text\",\"text\":\"Suggest\"}]},"
			   "{\"role\":\"assistant\",\"content\":\"ok\"}]}"));
	cr_expect_not(is(rule, "{\"messages\":[{\"role\":\"user\",\"content\":\"Suggest\"},{\"role\":\"user\","
			       "\"content\":\"hi\"}]}"));
	cr_expect(is(rule, "{\"prompt\":\"Suggest\"}"));
	cr_expect_not(is(rule, "{\"prompt\":[\"Suggest\"]}"));
	cr_expect_not(is(rule, "{\"messages\":7}"));
}

Test(background, the_task_that_the_request_names)
{
	cr_expect(is("task:title_generation", "{\"metadata\":{\"task\":\"title_generation\"}}"));
	cr_expect_not(is("task:title_generation", "{\"metadata\":{\"task\":\"title\"}}"));
	cr_expect_not(is("task:title_generation", "{\"metadata\":{\"task\":7}}"));
}

Test(background, without_a_rule_nothing_is)
{
	cr_expect_not(is("", USER("### Task: Generate")));
	cr_expect_not(is(" , ", USER("")));
}

Test(background, a_rule_that_is_none_is_named)
{
	struct og_error err;

	cr_expect_eq(og_background_check("", &err), 0);
	cr_expect_eq(og_background_check(" task:a ,, prompt:b c", &err), 0);
	cr_expect_lt(og_background_check("task:a, title", &err), 0);
	cr_expect(strstr(err.message, "'title'"), "%s", err.message);
	cr_expect_lt(og_background_check("prompt:", &err), 0);
}

/* The first words of Open WebUI's prompts; those of what its user waits for are not among them. */
Test(background, the_default_knows_open_webui)
{
	static const char *const aside[] = {
		USER("### Task:\\nGenerate a concise, 3-5 word title with an emoji summarizing the chat history."),
		USER("### Task:\\nGenerate 1-3 broad tags categorizing the main themes of the chat history"),
		USER("### Task:\\nSuggest 3-5 relevant follow-up questions or prompts that the user might"),
		"{\"metadata\":{\"task\":\"tags_generation\"},\"messages\":[]}"};
	static const char *const awaited[] = {USER("### Task:\\nRespond to the user query using the provided context, "
						   "incorporating inline citations"),
		USER("### Task:\\nAnalyze the chat history to determine the necessity of generating search queries"),
		"{\"metadata\":{\"task\":\"query_generation\"},\"messages\":[]}"};
	struct og_settings s;

	cr_assert_eq(og_settings_load(NULL, NULL, &s, NULL), 0);
	cr_expect_eq(og_background_check(s.gateway_background, NULL), 0);
	for (size_t i = 0; i < OG_COUNT(aside); i++)
		cr_expect(is(s.gateway_background, aside[i]), "%s", aside[i]);
	for (size_t i = 0; i < OG_COUNT(awaited); i++)
		cr_expect_not(is(s.gateway_background, awaited[i]), "%s", awaited[i]);
	og_settings_done(&s);
}
