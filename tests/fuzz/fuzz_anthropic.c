/* What Anthropic's clients may send, and what engines may answer them: a request is refused with words or becomes a chat;
 * of an answer come events whose blocks are opened, filled and closed in turn.
 *
 * The whole input is the request, and the completion; each of its lines is a chunk. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "api/anthropic/events.h"
#include "api/anthropic/request.h"
#include "base/alloc.h"
#include "model/json.h"

#define OUT_MAX (64u * 1024 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ask(const json_t *q)
{
	struct og_anthropic_request r;
	struct og_refusal why;

	if (og_anthropic_request(q, &r, &why) < 0) {
		if (why.status != 400 || !*why.message || r.body)
			abort();
		return;
	}
	og_autofree char *text = json_dumps(r.body, JSON_COMPACT);

	if (!text || !json_is_string(json_object_get(r.body, "model")) ||
		!json_is_array(json_object_get(r.body, "messages")))
		abort();
	og_anthropic_request_done(&r);
}

/* One event: its JSON is whole, and its block is the one that is open. */
static void check(const json_t *event, json_int_t *block, bool *open)
{
	const char *type = json_string_value(json_object_get(event, "type"));
	json_int_t index = json_integer_value(json_object_get(event, "index"));

	if (!type)
		abort();
	if (strncmp(type, "content_block_", 14) != 0)
		return;
	if (index != *block || *open == !strcmp(type, "content_block_start"))
		abort();
	if (!strcmp(type, "content_block_start"))
		*open = true;
	if (!strcmp(type, "content_block_stop")) {
		*open = false;
		++*block;
	}
}

static void check_events(struct og_buf *out, bool whole)
{
	const char *at = og_buf_str(out), *data;
	json_int_t block = 0;
	bool open = false;

	while ((data = strstr(at, "\ndata: "))) {
		const char *stop = strchr(data + 1, '\n');
		json_t *event = json_loadb(data + 7, (size_t)(stop - data - 7), JSON_ALLOW_NUL, NULL);

		check(event, &block, &open);
		json_decref(event);
		at = stop;
	}
	if (whole && open)
		abort();
	og_buf_done(out);
}

static void answer(const char *text, size_t size)
{
	json_t *completion = json_loadb(text, size, JSON_ALLOW_NUL, NULL), *message;
	const char *end = text + size;
	struct og_anthropic_events e;
	struct og_buf out;
	bool whole;

	og_buf_init(&out, OUT_MAX);
	og_anthropic_events_init(&e, "00000000-0000-4000-8000-00000000000a", "m", false);
	og_anthropic_events_begin(&e, &out);
	for (const char *at = text; at < end;) {
		const char *stop = memchr(at, '\n', (size_t)(end - at));

		stop = stop ? stop : end;
		og_anthropic_events_chunk(&e, at, (size_t)(stop - at), &out);
		at = stop + 1;
	}
	whole = og_anthropic_events_end(&e, completion, &out) == 0;
	check_events(&out, whole);
	message = og_anthropic_message(&e, completion);
	if (whole != json_is_array(json_object_get(message, "content")))
		abort();
	json_decref(message);
	json_decref(completion);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_t *q;

	if (og_json_parse(data, size, &q, NULL) == 0) {
		ask(q);
		json_decref(q);
	}
	answer((const char *)data, size);
	return 0;
}
