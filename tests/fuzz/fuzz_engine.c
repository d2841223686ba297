/* What an engine may stream, in either dialect. However its bytes are cut the same answer comes of them, and that
 * answer can be told: a `done` which is JSON, whose text is the answer's.
 *
 * The first byte chooses: bit 0 the dialect, bit 1 chat or completion, the rest the size of the pieces. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "done.h"
#include "engine/stream.h"
#include "model/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum og_fault on_event(void *ctx, json_t *chunk, const char *text, size_t len)
{
	struct og_run *r = ctx;
	bool token;

	/* What is passed on as it is must be one line. */
	if (text && (strlen(text) != len || memchr(text, '\n', len)))
		abort();
	return og_answer_add(&r->answer, chunk, &token);
}

static char *told(struct og_run *r)
{
	static const struct og_identity who = {.worker = "w/t/1", .tier = "t", .engine_model = "m"};
	char *body = r->fault ? og_done_error(r, &who, "words") : og_done_answer(r, &who);
	json_t *json = body ? json_loads(body, JSON_ALLOW_NUL, NULL) : NULL;

	if (!body || !json_is_object(json))
		abort();
	if (!r->fault == !json_is_object(json_object_get(json, "response")))
		abort();
	json_decref(json);
	return body;
}

static char *answer(const struct og_dialect *dialect, bool chat, const char *bytes, size_t size, size_t piece)
{
	const struct og_dialect_run run = {.id = "id", .chat = chat, .model = "m"};
	struct og_run r = {.id = "id"};
	struct og_engine_stream s;
	char *body;

	og_answer_init(&r.answer, chat);
	og_engine_stream_init(&s, dialect, &run, on_event, &r);
	for (size_t at = 0; at < size; at += piece) {
		if (og_engine_stream_push(&s, bytes + at, size - at < piece ? size - at : piece) < 0)
			break;
	}
	og_engine_stream_close(&s);
	if (!s.ended == !s.fault)
		abort();
	r.fault = s.fault;
	body = told(&r);
	og_engine_stream_done(&s);
	og_answer_done(&r.answer);
	return body;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	og_autofree char *whole = NULL, *cut = NULL, *bytes = NULL;
	const struct og_dialect *dialect;
	bool chat;

	if (!size)
		return 0;
	dialect = data[0] & 1 ? &og_dialect_ollama : &og_dialect_openai;
	chat = !(data[0] & 2);
	bytes = og_memdup(data + 1, size - 1); /* of its own, so that a read behind its end is seen */
	whole = answer(dialect, chat, bytes, size - 1, size);
	cut = answer(dialect, chat, bytes, size - 1, (size_t)(data[0] >> 2) + 1);
	if (strcmp(whole, cut) != 0)
		abort();
	return 0;
}
