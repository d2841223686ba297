#include <criterion/criterion.h>
#include <string.h>

#include "base/alloc.h"
#include "engine/engine.h"
#include "leaks.h"

static uv_loop_t loop;
static struct og_engine *engine;
static unsigned events, ends, probed;
static char text[64], whole[400];
static bool again;

static void setup(void)
{
	const struct og_engine_config config = {.kind = "echo"};

	uv_loop_init(&loop);
	engine = og_engine_open(&loop, NULL, &config, NULL);
}

static void teardown(void)
{
	engine->ops->close(engine);
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_assert_eq(uv_loop_close(&loop), 0);
}

TestSuite(echo, .init = setup, .fini = teardown, .timeout = 60);

static struct og_engine_run *start(const char *body);

static enum og_fault on_event(void *ctx, json_t *chunk, const char *bytes, size_t len)
{
	json_t *choice = json_array_get(json_object_get(chunk, "choices"), 0);
	const char *content = json_string_value(json_object_get(json_object_get(choice, "delta"), "content"));

	(void)ctx;
	(void)len;
	cr_assert_null(bytes);
	if (!content)
		content = json_string_value(json_object_get(choice, "text"));
	strncpy(text, content, sizeof(text) - 1);
	cr_assert_str_eq(json_string_value(json_object_get(choice, "finish_reason")), "stop");
	events++;
	return OG_FAULT_NONE;
}

static void on_whole(void *ctx, json_t *response)
{
	og_autofree char *json = json_dumps(response, JSON_COMPACT | JSON_REAL_PRECISION(6));

	(void)ctx;
	strncpy(whole, json, sizeof(whole) - 1);
}

static void on_end(void *ctx, enum og_fault fault, const char *words)
{
	(void)ctx;
	(void)words;
	cr_assert_eq(fault, OG_FAULT_NONE);
	ends++;
	if (again) {
		again = false;
		start("{\"prompt\":\"again\"}");
	}
}

static struct og_engine_run *start_operation(const char *operation, const char *body)
{
	const struct og_engine_sink sink = {.event = on_event, .whole = on_whole, .end = on_end};
	struct og_request q;
	struct og_engine_run *run;

	cr_assert_eq(og_request_parse("id", operation, body, strlen(body), &q, NULL), 0);
	run = engine->ops->start(engine, &q, "m", &sink, NULL);
	og_request_done(&q);
	return run;
}

static struct og_engine_run *start(const char *body)
{
	return start_operation(NULL, body);
}

Test(echo, embeds_the_same_text_as_the_same_vector)
{
	char first[sizeof(whole)];

	start_operation("embed", "{\"input\":[\"two words\",\"one\"],\"dimensions\":4}");
	cr_assert_str_eq(whole, "");
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_assert(strstr(whole, "\"index\":1,\"embedding\":["), "%s", whole);
	cr_assert(strstr(whole, "\"prompt_tokens\":3"), "%s", whole);
	strcpy(first, whole);
	start_operation("embed", "{\"input\":[\"two words\",\"one\"],\"dimensions\":4}");
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_assert_str_eq(whole, first);
	start_operation("embed", "{\"input\":[\"two words\",\"two\"],\"dimensions\":4}");
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_assert_str_neq(whole, first);
	start_operation("embed", "{\"input\":\"a\",\"dimensions\":3,\"encoding_format\":\"base64\"}");
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_assert(strstr(whole, "\"embedding\":\""), "%s", whole);
	cr_assert_eq(ends, 4);
}

Test(echo, counts_words)
{
	start_operation("count_tokens", "{\"messages\":[{\"role\":\"system\",\"content\":\"be brief\"},"
					"{\"role\":\"user\",\"content\":\"hi\"}]}");
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_assert_str_eq(whole, "{\"object\":\"token_count\",\"prompt_tokens\":3}");
}

Test(echo, answers_with_the_last_message_or_the_prompt)
{
	start("{\"messages\":[{\"role\":\"system\",\"content\":\"no\"},{\"role\":\"user\",\"content\":\"two "
	      "words\"}]}");
	cr_assert_eq(ends, 0);
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_assert_eq(ends, 1);
	cr_assert_str_eq(text, "two words");
	again = true;
	start("{\"prompt\":\"once\"}");
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_assert_eq(ends, 3);
	cr_assert_str_eq(text, "again");
}

Test(echo, a_cancelled_one_says_nothing)
{
	engine->ops->cancel(engine, start("{\"prompt\":\"a\"}"));
	start("{\"prompt\":\"b\"}");
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_assert_eq(ends, 1);
	cr_assert_str_eq(text, "b");
}

static void on_probed(void *ctx, const struct og_serves *serves, const struct og_error *why)
{
	(void)ctx;
	cr_assert_null(why);
	cr_assert(serves->any);
	probed++;
}

Test(echo, serves_whatever_it_is_asked_for)
{
	cr_assert_eq(engine->ops->probe(engine, on_probed, NULL, NULL), 0);
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_assert_eq(probed, 1);
}
