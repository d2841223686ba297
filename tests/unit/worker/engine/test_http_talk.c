/* Operations that do not stream, with a script in the engine's place. */
#include "engine/http_talk.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "engine/engine.h"
#include "leaks.h"

TestSuite(http_talk, .timeout = 60);

static uv_loop_t loop;
static struct og_http *http;
static struct og_engine *engine;

/* What is answered, question by question; one more is a 404. */
static struct {
	struct {
		int status;
		const char *body, *content_type;
	} answers[6];
	size_t n_asked;
	bool keep;
	char asked[6][80], bodies[6][400], traceparent[128], tracestate[128];
} script;

static struct {
	unsigned wholes, ends;
	char response[600];
	enum og_fault fault;
	char words[OG_ENGINE_WORDS_MAX];
} seen;

static void answer(void *ctx, struct og_http_call *call, const struct og_http_request *request)
{
	size_t i = script.n_asked++;
	const char *body;

	(void)ctx;
	cr_assert_lt(i, 6);
	snprintf(script.asked[i], 80, "%s", strchr(request->url + strlen("http://"), '/'));
	snprintf(script.bodies[i], 400, "%.*s", (int)request->body_len, (const char *)request->body);
	for (const char *const *h = request->headers; *h; h++) {
		if (strncmp(*h, "traceparent", 11) == 0)
			snprintf(script.traceparent, sizeof(script.traceparent), "%s", *h);
		if (strncmp(*h, "tracestate", 10) == 0)
			snprintf(script.tracestate, sizeof(script.tracestate), "%s", *h);
	}
	if (script.keep)
		return;
	body = script.answers[i].body ? script.answers[i].body : "{\"error\":{\"message\":\"no such path\"}}";
	og_http_memory_status(call, script.answers[i].status ? script.answers[i].status : 404,
		script.answers[i].content_type ? script.answers[i].content_type : "application/json");
	og_http_memory_body(call, body, strlen(body));
	og_http_memory_end(call, NULL);
}

static void open_kind(const char *kind)
{
	const struct og_engine_config config = {.kind = kind, .url = "http://engine:8080"};

	uv_loop_init(&loop);
	http = og_http_memory_open(&loop, answer, NULL);
	engine = og_engine_open(&loop, http, &config, NULL);
	memset(&script, 0, sizeof(script));
	memset(&seen, 0, sizeof(seen));
}

static void setup(void)
{
	open_kind("openai");
}

static void teardown(void)
{
	engine->ops->close(engine);
	og_http_close(http, NULL, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_assert_eq(uv_loop_close(&loop), 0);
}

static void on_whole(void *ctx, json_t *response)
{
	og_autofree char *text = json_dumps(response, JSON_COMPACT | JSON_REAL_PRECISION(9));

	(void)ctx;
	cr_assert_eq(seen.ends, 0);
	seen.wholes++;
	snprintf(seen.response, sizeof(seen.response), "%s", text);
}

static void on_end(void *ctx, enum og_fault fault, const char *words)
{
	(void)ctx;
	seen.ends++;
	seen.fault = fault;
	snprintf(seen.words, sizeof(seen.words), "%s", words);
}

static struct og_engine_run *start(const char *operation, const char *body, const char *trace)
{
	const struct og_engine_sink sink = {.whole = on_whole, .end = on_end};
	struct og_engine_run *run;
	struct og_request q;
	struct og_error err;

	cr_assert_eq(og_request_parse("id", operation, body, strlen(body), &q, &err), 0, "%s", err.message);
	og_request_trace(&q, trace, "a=b");
	run = engine->ops->start(engine, &q, "m1", &sink, &err);
	cr_assert(run, "%s", err.message);
	og_request_done(&q);
	return run;
}

static void run(const char *operation, const char *body)
{
	start(operation, body, NULL);
	cr_assert_eq(seen.ends, 0, "nothing is called from inside start");
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_assert_eq(seen.ends, 1);
}

static void expect(const char *response)
{
	cr_assert_eq(seen.fault, OG_FAULT_NONE, "%s: %s", og_fault_name(seen.fault), seen.words);
	cr_assert_eq(seen.wholes, 1);
	cr_assert_str_eq(seen.response, response);
}

static void expect_fault(enum og_fault fault, const char *words)
{
	cr_assert_eq(seen.fault, fault, "%s: %s", og_fault_name(seen.fault), seen.words);
	cr_assert(strstr(seen.words, words), "'%s' does not say '%s'", seen.words, words);
	cr_assert_eq(seen.wholes, 0);
}

static void expect_asked(size_t i, const char *path, const char *body)
{
	cr_assert_gt(script.n_asked, i);
	cr_assert_str_eq(script.asked[i], path);
	cr_assert(strstr(script.bodies[i], body), "'%s' does not hold '%s'", script.bodies[i], body);
}

#define LIST                                                                                                           \
	"{\"object\":\"list\",\"data\":[{\"object\":\"embedding\",\"index\":0,\"embedding\":[1,0.5]}],"                \
	"\"usage\":{\"prompt_tokens\":2,\"total_tokens\":2}}"

Test(http_talk, embeddings, .init = setup, .fini = teardown)
{
	script.answers[0].status = 200;
	script.answers[0].body = LIST;
	run("embed", "{\"input\":\"hi\",\"model\":\"x\",\"user\":\"u\"}");
	expect("{\"object\":\"list\",\"data\":[{\"object\":\"embedding\",\"index\":0,\"embedding\":[1,0.5]}],"
	       "\"usage\":{\"prompt_tokens\":2,\"total_tokens\":2}}");
	cr_assert_eq(script.n_asked, 1);
	expect_asked(0, "/v1/embeddings", "{\"input\":\"hi\",\"model\":\"m1\",\"user\":\"u\"}");
}

Test(http_talk, embeddings_of_an_ollama, .fini = teardown)
{
	open_kind("ollama");
	script.answers[0].status = 200;
	script.answers[0].body = "{\"model\":\"m1\",\"embeddings\":[[1,0.5],[2,3]],\"prompt_eval_count\":4}";
	run("embed", "{\"input\":[\"a\",\"b\"],\"encoding_format\":\"base64\",\"truncate\":false}");
	expect("{\"object\":\"list\",\"data\":[{\"object\":\"embedding\",\"index\":0,\"embedding\":\"AACAPwAAAD8=\"},"
	       "{\"object\":\"embedding\",\"index\":1,\"embedding\":\"AAAAQAAAQEA=\"}],\"model\":\"m1\","
	       "\"usage\":{\"prompt_tokens\":4,\"total_tokens\":4}}");
	expect_asked(0, "/api/embed", "{\"input\":[\"a\",\"b\"],\"truncate\":false,\"model\":\"m1\"}");
}

Test(http_talk, an_engine_that_does_not_embed_is_not_at_fault, .init = setup, .fini = teardown)
{
	script.answers[0].status = 501;
	script.answers[0].body = "{\"error\":{\"message\":\"This server does not support embeddings\"}}";
	run("embed", "{\"input\":\"hi\"}");
	expect_fault(OG_FAULT_ENGINE_ERROR, "does not support embeddings");
}

Test(http_talk, a_text_that_is_too_long_is_not_the_engines_fault, .init = setup, .fini = teardown)
{
	script.answers[0].status = 500;
	script.answers[0].body = "{\"error\":{\"code\":500,\"message\":\"input (1501 tokens) is too large to process. "
				 "increase the physical batch size\"}}";
	run("embed", "{\"input\":\"hi\"}");
	expect_fault(OG_FAULT_ENGINE_ERROR, "1501 tokens");
}

Test(http_talk, other_refusals_are_judged_as_those_of_a_stream, .init = setup, .fini = teardown)
{
	script.answers[0].status = 503;
	run("embed", "{\"input\":\"hi\"}");
	expect_fault(OG_FAULT_ENGINE_UNAVAILABLE, "503");
}

Test(http_talk, what_is_no_list_of_vectors, .init = setup, .fini = teardown)
{
	script.answers[0].status = 200;
	script.answers[0].body = "{\"data\":[]}";
	run("embed", "{\"input\":\"hi\"}");
	expect_fault(OG_FAULT_ENGINE_GARBAGE, "no list of embeddings");
}

Test(http_talk, what_is_no_json, .init = setup, .fini = teardown)
{
	script.answers[0].status = 200;
	script.answers[0].body = "<html>";
	run("embed", "{\"input\":\"hi\"}");
	expect_fault(OG_FAULT_ENGINE_GARBAGE, "no JSON object");
}

Test(http_talk, another_kind_of_answer, .init = setup, .fini = teardown)
{
	script.answers[0].status = 200;
	script.answers[0].content_type = "text/html";
	run("embed", "{\"input\":\"hi\"}");
	expect_fault(OG_FAULT_ENGINE_GARBAGE, "text/html");
}

Test(http_talk, an_answer_that_is_too_large, .init = setup, .fini = teardown)
{
	og_autofree char *body = og_alloc(OG_TALK_ANSWER_MAX + 2);

	memset(body, ' ', OG_TALK_ANSWER_MAX + 1);
	script.answers[0].status = 200;
	script.answers[0].body = body;
	run("embed", "{\"input\":\"hi\"}");
	expect_fault(OG_FAULT_TOO_LARGE, "");
}

#define CHAT "{\"messages\":[{\"role\":\"user\",\"content\":\"hello there\"}],\"stream\":true}"

Test(http_talk, counting_with_llama_cpp, .init = setup, .fini = teardown)
{
	script.answers[0].status = 200;
	script.answers[0].body = "{\"input_tokens\":31,\"object\":\"response.input_tokens\"}";
	run("count_tokens", CHAT);
	expect("{\"object\":\"token_count\",\"prompt_tokens\":31}");
	expect_asked(0, "/v1/chat/completions/input_tokens",
		"{\"messages\":[{\"role\":\"user\",\"content\":\"hello there\"}],\"model\":\"m1\"}");
}

Test(http_talk, counting_with_an_older_llama_cpp, .init = setup, .fini = teardown)
{
	script.answers[1].status = 200;
	script.answers[1].body = "{\"prompt\":\"<user>hello there\"}";
	script.answers[2].status = 200;
	script.answers[2].body = "{\"tokens\":[1,2,3]}";
	run("count_tokens", CHAT);
	expect("{\"object\":\"token_count\",\"prompt_tokens\":3}");
	expect_asked(1, "/apply-template", "\"messages\"");
	expect_asked(2, "/tokenize", "\"content\":\"<user>hello there\"");
	expect_asked(2, "/tokenize", "\"parse_special\":true");
}

Test(http_talk, counting_with_vllm, .init = setup, .fini = teardown)
{
	script.answers[2].status = 200;
	script.answers[2].body = "{\"count\":9,\"max_model_len\":100,\"tokens\":[]}";
	run("count_tokens", CHAT);
	expect("{\"object\":\"token_count\",\"prompt_tokens\":9}");
	expect_asked(2, "/tokenize", "\"messages\"");
}

Test(http_talk, counting_with_one_that_cannot_is_an_estimate, .init = setup, .fini = teardown)
{
	script.answers[0].status = 405;
	run("count_tokens", CHAT);
	expect("{\"object\":\"token_count\",\"prompt_tokens\":7,\"estimated\":true}");
	cr_assert_eq(script.n_asked, 3);
}

/* Some servers answer whatever they do not know with 200. */
Test(http_talk, counting_with_one_that_answers_anything, .init = setup, .fini = teardown)
{
	for (size_t i = 0; i < 3; i++) {
		script.answers[i].status = 200;
		script.answers[i].content_type = "text/html";
		script.answers[i].body = i ? "<html>" : "{\"error\":\"Unexpected endpoint\"}";
	}
	run("count_tokens", CHAT);
	expect("{\"object\":\"token_count\",\"prompt_tokens\":7,\"estimated\":true}");
}

Test(http_talk, counting_texts, .init = setup, .fini = teardown)
{
	for (size_t i = 0; i < 2; i++) {
		script.answers[i].status = 200;
		script.answers[i].body = i ? "{\"tokens\":[1,2,3]}" : "{\"count\":4}";
	}
	run("count_tokens", "{\"input\":[\"first\",\"second\"]}");
	expect("{\"object\":\"token_count\",\"prompt_tokens\":7}");
	expect_asked(0, "/tokenize", "\"content\":\"first\"");
	expect_asked(1, "/tokenize", "\"prompt\":\"second\"");
}

Test(http_talk, a_count_that_is_refused, .init = setup, .fini = teardown)
{
	script.answers[0].status = 400;
	script.answers[0].body = "{\"error\":{\"message\":\"bad role\"}}";
	run("count_tokens", CHAT);
	expect_fault(OG_FAULT_ENGINE_ERROR, "bad role");
	cr_assert_eq(script.n_asked, 1);
}

Test(http_talk, an_ollama_estimates_for_a_model_that_it_has, .fini = teardown)
{
	open_kind("ollama");
	script.answers[0].status = 200;
	script.answers[0].body = "{\"details\":{}}";
	run("count_tokens", CHAT);
	expect("{\"object\":\"token_count\",\"prompt_tokens\":7,\"estimated\":true}");
	expect_asked(0, "/api/show", "{\"model\":\"m1\"}");
	teardown();
	open_kind("ollama");
	run("count_tokens", CHAT);
	expect_fault(OG_FAULT_ENGINE_ERROR, "404");
}

Test(http_talk, a_cancel_closes_the_call_and_nothing_is_told, .init = setup, .fini = teardown)
{
	struct og_engine_run *r;

	script.keep = true;
	r = start("embed", "{\"input\":\"hi\"}", NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	engine->ops->cancel(engine, r);
	cr_assert(og_http_memory_cancelled(http));
	cr_assert_eq(seen.ends, 0);
}

Test(http_talk, the_trace_goes_with_each_question, .init = setup, .fini = teardown)
{
	script.answers[0].status = 200;
	script.answers[0].body = LIST;
	start("embed", "{\"input\":\"hi\"}", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_assert_str_eq(script.traceparent, "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
	cr_assert_str_eq(script.tracestate, "tracestate: a=b");
}
