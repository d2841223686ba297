/* The engine over HTTP, with a script in the engine's place. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "engine/engine.h"
#include "leaks.h"

TestSuite(http_engine, .timeout = 60);

static uv_loop_t loop;
static struct og_http *http;
static struct og_engine *engine;

/* What the script answers, by path; and what it was asked. */
static struct {
	int health, models_status, status;
	const char *models, *body, *content_type;
	struct og_error end; /* kind 0: the answer comes whole */
	bool keep;           /* the answer has no end */
	char asked[8][128];
	char last_body[1024];
	char authorization[128];
	unsigned n_asked;
} script;

static struct {
	char text[256];
	unsigned events, ends;
	enum og_fault fault;
	char words[OG_ENGINE_WORDS_MAX];
	unsigned probed;
	struct og_serves serves;
	struct og_error why;
} seen;

static void reply(struct og_http_call *call, int status, const char *type, const char *body)
{
	og_http_memory_status(call, status, type);
	og_http_memory_body(call, body, strlen(body));
	og_http_memory_end(call, NULL);
}

static void answer(void *ctx, struct og_http_call *call, const struct og_http_request *request)
{
	const char *path = strchr(request->url + strlen("http://"), '/');

	(void)ctx;
	snprintf(script.asked[script.n_asked++ % 8], 128, "%s %s", request->method, request->url);
	for (const char *const *h = request->headers; h && *h; h++) {
		if (strncmp(*h, "Authorization", 13) == 0)
			snprintf(script.authorization, sizeof(script.authorization), "%s", *h);
	}
	if (strcmp(path, "/health") == 0) {
		reply(call, script.health, "application/json", "{\"error\":{\"message\":\"Loading model\"}}");
	} else if (strcmp(path, "/v1/models") == 0) {
		reply(call, script.models_status, "application/json", script.models);
	} else if (strcmp(path, "/props") == 0) {
		reply(call, 200, "application/json", "{\"total_slots\":3}");
	} else {
		snprintf(script.last_body, sizeof(script.last_body), "%.*s", (int)request->body_len,
			(const char *)request->body);
		if (script.status)
			og_http_memory_status(call, script.status, script.content_type);
		if (*script.body)
			og_http_memory_body(call, script.body, strlen(script.body));
		if (!script.keep)
			og_http_memory_end(call, script.end.kind ? &script.end : NULL);
	}
}

static void open_at(const char *kind, const char *url, const char *key_file)
{
	const struct og_engine_config config = {
		.kind = kind, .url = url, .key_file = key_file, .limits = {.first_byte_ms = 60000, .idle_ms = 60000}};
	struct og_error err;

	uv_loop_init(&loop);
	http = og_http_memory_open(&loop, answer, NULL);
	engine = og_engine_open(&loop, http, &config, &err);
	cr_assert(engine, "%s", err.message);
	memset(&script, 0, sizeof(script));
	memset(&seen, 0, sizeof(seen));
	script.health = script.models_status = script.status = 200;
	script.models = "{\"data\":[{\"id\":\"m1\"}]}";
	script.body = "";
	script.content_type = "text/event-stream; charset=utf-8";
}

static void setup(void)
{
	open_at("openai", "http://engine:8080/", NULL);
}

static void teardown(void)
{
	engine->ops->close(engine);
	og_http_close(http, NULL, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_assert_eq(uv_loop_close(&loop), 0);
}

static enum og_fault on_event(void *ctx, json_t *chunk, const char *text, size_t len)
{
	(void)ctx;
	(void)chunk;
	cr_assert_eq(strlen(text), len);
	seen.events++;
	return OG_FAULT_NONE;
}

static void on_end(void *ctx, enum og_fault fault, const char *words)
{
	(void)ctx;
	seen.ends++;
	seen.fault = fault;
	snprintf(seen.words, sizeof(seen.words), "%s", words);
}

static struct og_engine_run *start(void)
{
	const struct og_engine_sink sink = {.event = on_event, .end = on_end};
	const char *body = "{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}";
	struct og_request q;
	struct og_error err;
	struct og_engine_run *run;

	cr_assert_eq(og_request_parse("id", NULL, body, strlen(body), &q, &err), 0);
	run = engine->ops->start(engine, &q, "m1", &sink, &err);
	cr_assert(run, "%s", err.message);
	og_request_done(&q);
	return run;
}

static void run_once(void)
{
	start();
	cr_assert_eq(seen.ends, 0, "nothing is called from inside start");
	uv_run(&loop, UV_RUN_DEFAULT);
}

static void expect(enum og_fault fault, const char *words)
{
	cr_assert_eq(seen.ends, 1);
	cr_assert_eq(seen.fault, fault, "%s: %s", og_fault_name(seen.fault), seen.words);
	cr_assert(strstr(seen.words, words), "'%s' does not say '%s'", seen.words, words);
}

#define STREAM                                                                                                         \
	"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"},\"finish_reason\":null}]}\n\n"                 \
	"data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n"

Test(http_engine, a_run, .init = setup, .fini = teardown)
{
	script.body = STREAM;
	run_once();
	expect(OG_FAULT_NONE, "");
	cr_assert_eq(seen.events, 2);
	cr_assert_str_eq(script.asked[0], "POST http://engine:8080/v1/chat/completions");
	cr_assert(strstr(script.last_body, "\"model\":\"m1\""), "%s", script.last_body);
}

Test(http_engine, the_end_is_told_when_the_engine_says_it, .init = setup, .fini = teardown)
{
	script.body = STREAM;
	script.keep = true;
	run_once();
	expect(OG_FAULT_NONE, "");
}

Test(http_engine, refusals, .init = setup, .fini = teardown)
{
	static const struct {
		int status;
		enum og_fault fault;
	} cases[] = {{400, OG_FAULT_ENGINE_ERROR}, {404, OG_FAULT_ENGINE_ERROR}, {408, OG_FAULT_ENGINE_UNAVAILABLE},
		{429, OG_FAULT_ENGINE_UNAVAILABLE}, {500, OG_FAULT_ENGINE_UNAVAILABLE},
		{503, OG_FAULT_ENGINE_UNAVAILABLE}, {302, OG_FAULT_ENGINE_GARBAGE}};

	script.body = "{\"error\":{\"code\":1,\"message\":\"the words\\nof the engine\"}}";
	script.content_type = "application/json";
	for (size_t i = 0; i < OG_COUNT(cases); i++) {
		char number[8];

		seen.ends = 0;
		script.status = cases[i].status;
		run_once();
		expect(cases[i].fault, "the words of the engine");
		snprintf(number, sizeof(number), "%d", cases[i].status);
		cr_assert(strstr(seen.words, number), "%s", seen.words);
	}
}

Test(http_engine, a_refusal_of_ten_megabytes, .init = setup, .fini = teardown)
{
	og_autofree char *body = og_alloc(10 * 1024 * 1024 + 1);

	memset(body, 'x', 10 * 1024 * 1024);
	script.status = 500;
	script.body = body;
	run_once();
	expect(OG_FAULT_ENGINE_UNAVAILABLE, "500");
}

Test(http_engine, another_kind_of_answer, .init = setup, .fini = teardown)
{
	script.content_type = "text/html";
	script.body = "<html>";
	run_once();
	expect(OG_FAULT_ENGINE_GARBAGE, "text/html");
}

Test(http_engine, it_is_not_reached, .init = setup, .fini = teardown)
{
	script.status = 0;
	og_fail(&script.end, OG_RETRY, "connection refused");
	run_once();
	expect(OG_FAULT_ENGINE_UNAVAILABLE, "connection refused");
}

Test(http_engine, it_is_cut, .init = setup, .fini = teardown)
{
	script.body = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\n";
	og_fail(&script.end, OG_RETRY, "connection reset");
	run_once();
	expect(OG_FAULT_ENGINE_CUT, "connection reset");
	cr_assert_eq(seen.events, 1);
}

Test(http_engine, a_cancel_closes_the_call_and_nothing_is_told, .init = setup, .fini = teardown)
{
	struct og_engine_run *run;

	script.keep = true;
	run = start();
	uv_run(&loop, UV_RUN_DEFAULT);
	engine->ops->cancel(engine, run);
	cr_assert(og_http_memory_cancelled(http));
	cr_assert_eq(seen.ends, 0);
}

static void on_probed(void *ctx, const struct og_serves *serves, const struct og_error *why)
{
	(void)ctx;
	seen.probed++;
	if (serves)
		seen.serves = *serves;
	else
		seen.why = *why;
}

static void probe(void)
{
	struct og_error err;

	cr_assert_eq(engine->ops->probe(engine, on_probed, NULL, &err), 0, "%s", err.message);
	cr_assert_eq(seen.probed, 0);
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_assert_eq(seen.probed, 1);
}

Test(http_engine, a_probe_asks_in_turn, .init = setup, .fini = teardown)
{
	probe();
	cr_assert_eq(seen.serves.n_models, 1, "%s", seen.why.message);
	cr_assert_str_eq(seen.serves.models[0], "m1");
	cr_assert_eq(seen.serves.slots, 3);
	cr_assert_str_eq(script.asked[0], "GET http://engine:8080/health");
	cr_assert_str_eq(script.asked[2], "GET http://engine:8080/props");
}

Test(http_engine, a_probe_of_a_server_without_health, .init = setup, .fini = teardown)
{
	script.health = 404;
	probe();
	cr_assert_eq(seen.serves.n_models, 1, "%s", seen.why.message);
}

Test(http_engine, a_probe_of_one_that_loads, .init = setup, .fini = teardown)
{
	script.health = 503;
	probe();
	cr_assert(strstr(seen.why.message, "Loading model"), "%s", seen.why.message);
	cr_assert(strstr(seen.why.message, "http://engine:8080"), "%s", seen.why.message);
}

Test(http_engine, a_probe_that_is_refused_or_answered_with_garbage, .init = setup, .fini = teardown)
{
	script.models_status = 401;
	probe();
	cr_assert(strstr(seen.why.message, "401"), "%s", seen.why.message);
	seen.probed = 0;
	script.models_status = 200;
	script.models = "<html>";
	probe();
	cr_assert(strstr(seen.why.message, "list of models"), "%s", seen.why.message);
}

Test(http_engine, an_address_with_the_apis_path_and_a_key, .fini = teardown)
{
	char path[] = "/tmp/og-test-key-XXXXXX";
	int fd = mkstemp(path);

	cr_assert_geq(fd, 0);
	dprintf(fd, "s3cret\n");
	open_at("openai", "https://cloud/api/v3/", path);
	unlink(path);
	close(fd);
	script.body = STREAM;
	run_once();
	cr_assert_str_eq(script.asked[0], "POST https://cloud/api/v3/chat/completions");
	cr_assert_str_eq(script.authorization, "Authorization: Bearer s3cret");
}

Test(http_engine, the_address_of_an_ollama_with_and_without_its_path, .fini = teardown)
{
	open_at("ollama", "http://engine:11434/api", NULL);
	run_once();
	cr_assert_str_eq(script.asked[0], "POST http://engine:11434/api/chat");
	teardown();
	open_at("ollama", "http://engine:11434", NULL);
	run_once();
	cr_assert_str_eq(script.asked[0], "POST http://engine:11434/api/chat");
}

Test(http_engine, what_cannot_be_opened)
{
	struct og_engine_config config = {.kind = "openai", .url = ""};
	struct og_error err;

	uv_loop_init(&loop);
	cr_assert_null(og_engine_open(&loop, NULL, &config, &err));
	cr_assert_eq(err.kind, OG_FATAL);
	cr_assert(strstr(err.message, "OG_ENGINE_URL"), "%s", err.message);
	config = (struct og_engine_config){.kind = "openai", .url = "http://x", .key_file = "/nowhere"};
	cr_assert_null(og_engine_open(&loop, NULL, &config, &err));
	cr_assert(strstr(err.message, "key_file"), "%s", err.message);
	config.kind = "none";
	cr_assert_null(og_engine_open(&loop, NULL, &config, &err));
	cr_assert(strstr(err.message, "none"), "%s", err.message);
	uv_loop_close(&loop);
}
