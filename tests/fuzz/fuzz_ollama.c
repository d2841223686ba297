/* What Ollama's clients may send, and what engines may answer them: a request is refused with words or becomes one of
 * OpenAI's; of an answer come lines of JSON, whatever its chunks are.
 *
 * The whole input is the request, and the done body; each of its lines is a chunk. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "api/ollama/events.h"
#include "api/ollama/request.h"
#include "base/alloc.h"
#include "model/json.h"

#define OUT_MAX (64u * 1024 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef int og_turn(const json_t *q, struct og_ollama_request *ret, struct og_refusal *why);

static void ask(og_turn *turn, const json_t *q)
{
	struct og_ollama_request r;
	struct og_refusal why;

	if (turn(q, &r, &why) < 0) {
		if (why.status != 400 || !*why.message || r.body)
			abort();
		return;
	}
	if (r.body) {
		og_autofree char *text = json_dumps(r.body, JSON_COMPACT);
		size_t messages = json_array_size(json_object_get(r.body, "messages"));

		if (!text || !json_is_string(json_object_get(r.body, "model")) ||
			!messages != json_is_string(json_object_get(r.body, "prompt")))
			abort();
	}
	og_ollama_request_done(&r);
}

static void check_lines(struct og_buf *out)
{
	const char *at = og_buf_str(out), *end = at + out->len;

	while (at < end) {
		const char *stop = memchr(at, '\n', (size_t)(end - at));
		json_t *line = stop ? json_loadb(at, (size_t)(stop - at), JSON_ALLOW_NUL, NULL) : NULL;

		if (!json_is_object(line) || !json_is_boolean(json_object_get(line, "done")))
			abort();
		json_decref(line);
		at = stop + 1;
	}
	og_buf_done(out);
}

static void answer(const struct og_ollama_answer *a, const char *text, size_t size)
{
	const char *end = text + size;
	struct og_buf out;

	og_buf_init(&out, OUT_MAX);
	for (const char *at = text; at < end;) {
		const char *stop = memchr(at, '\n', (size_t)(end - at));

		stop = stop ? stop : end;
		og_ollama_chunk(a, 0, at, (size_t)(stop - at), &out);
		at = stop + 1;
	}
	og_ollama_tail(a, 0, text, size, &out);
	check_lines(&out);
	json_decref(og_ollama_whole(a, 0, text, size));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct og_ollama_answer chat = {.name = "m"}, generate = {.name = "m", .generate = true};
	json_t *q;

	if (og_json_parse(data, size, &q, NULL) == 0) {
		ask(og_ollama_chat_request, q);
		ask(og_ollama_generate_request, q);
		json_decref(q);
	}
	answer(&chat, (const char *)data, size);
	answer(&generate, (const char *)data, size);
	return 0;
}
