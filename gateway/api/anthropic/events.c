#include "api/anthropic/events.h"

#include <string.h>

#include "api/prompt.h"
#include "base/alloc.h"
#include "model/json.h"
#include "model/json_text.h"

void og_anthropic_events_init(struct og_anthropic_events *e, const char *job, const char *model, bool hide_thinking)
{
	char *to;

	*e = (struct og_anthropic_events){.hide_thinking = hide_thinking};
	to = e->hex;
	for (; *job && to < e->hex + OG_ID_LEN; job++)
		if (*job != '-')
			*to++ = *job;
	strcpy(e->model, model);
}

/* ── one event ── */

/* Takes over `event`. */
static void say(const char *type, json_t *event, struct og_buf *out)
{
	og_autofree char *text = NULL;

	json_object_set_new(event, "type", json_string(type));
	text = og_json_dump(event, 0);
	og_sse_event(out, type, text, strlen(text));
}

void og_anthropic_events_begin(struct og_anthropic_events *e, struct og_buf *out)
{
	say("message_start",
		json_pack("{s:{s:o, s:s, s:s, s:s, s:[], s:n, s:n, s:o}}", "message", "id",
			json_sprintf("msg_%s", e->hex), "type", "message", "role", "assistant", "model", e->model,
			"content", "stop_reason", "stop_sequence", "usage", og_anthropic_usage(NULL)),
		out);
}

/* ── blocks ── */

static void close_block(struct og_anthropic_events *e, struct og_buf *out)
{
	if (e->open == OG_BLOCK_NONE)
		return;
	say("content_block_stop", json_pack("{s:i}", "index", e->index), out);
	e->open = OG_BLOCK_NONE;
	e->index++;
}

/* Takes over `block`. */
static void open_block(struct og_anthropic_events *e, enum og_block kind, json_t *block, struct og_buf *out)
{
	close_block(e, out);
	say("content_block_start", json_pack("{s:i, s:o}", "index", e->index, "content_block", block), out);
	e->open = kind;
}

static void add(
	const struct og_anthropic_events *e, const char *type, const char *key, const json_t *text, struct og_buf *out)
{
	say("content_block_delta",
		json_pack("{s:i, s:{s:s, s:O}}", "index", e->index, "delta", "type", type, key, text), out);
}

static void think(struct og_anthropic_events *e, const json_t *text, struct og_buf *out)
{
	if (!json_string_length(text) || e->hide_thinking)
		return;
	if (e->open != OG_BLOCK_THINKING)
		open_block(e, OG_BLOCK_THINKING,
			json_pack("{s:s, s:s, s:s}", "type", "thinking", "thinking", "", "signature", ""), out);
	add(e, "thinking_delta", "thinking", text, out);
}

static void speak(struct og_anthropic_events *e, const json_t *text, struct og_buf *out)
{
	if (!json_string_length(text))
		return;
	if (e->open != OG_BLOCK_TEXT)
		open_block(e, OG_BLOCK_TEXT, json_pack("{s:s, s:s}", "type", "text", "text", ""), out);
	add(e, "text_delta", "text", text, out);
}

/* Of the n-th call. Engines write one call after the other: what comes late for an earlier one has no block any more. */
static void call(struct og_anthropic_events *e, size_t n, const json_t *one, struct og_buf *out)
{
	const json_t *function = json_object_get(one, "function"), *name = json_object_get(function, "name");
	const json_t *arguments = json_object_get(function, "arguments");

	if (n >= e->calls) {
		open_block(e, OG_BLOCK_TOOL,
			json_pack("{s:s, s:o, s:o, s:{}}", "type", "tool_use", "id", og_anthropic_call_id(e, one, n),
				"name", json_is_string(name) ? json_incref((json_t *)name) : json_string(""), "input"),
			out);
		e->calls = n + 1;
	}
	if (json_string_length(arguments) && n + 1 == e->calls && e->open == OG_BLOCK_TOOL)
		add(e, "input_json_delta", "partial_json", arguments, out);
}

/* An engine that numbers no calls gives each whole. */
static size_t number_of(const struct og_anthropic_events *e, const json_t *one)
{
	const json_t *index = json_object_get(one, "index");

	if (!json_is_integer(index))
		return e->calls;
	return json_integer_value(index) > 0 ? (size_t)json_integer_value(index) : 0;
}

void og_anthropic_events_chunk(struct og_anthropic_events *e, const char *data, size_t len, struct og_buf *out)
{
	json_t *chunk = og_json_load(data, len, JSON_ALLOW_NUL, NULL);
	const json_t *choice = json_array_get(json_object_get(chunk, "choices"), 0), *one;
	const json_t *delta = json_object_get(choice, "delta");
	size_t i;

	think(e, og_anthropic_thinking(delta), out);
	speak(e, json_object_get(delta, "content"), out);
	json_array_foreach(json_object_get(delta, "tool_calls"), i, one)
	{
		call(e, number_of(e, one), one, out);
	}
	json_decref(chunk);
}

/* ── the end ── */

int og_anthropic_events_end(struct og_anthropic_events *e, const json_t *completion, struct og_buf *out)
{
	const json_t *choice = json_array_get(json_object_get(completion, "choices"), 0);

	if (!json_is_object(json_object_get(choice, "message")))
		return -1;
	close_block(e, out);
	say("message_delta",
		json_pack("{s:o, s:o}", "delta", og_anthropic_stop(choice), "usage", og_anthropic_usage(completion)),
		out);
	say("message_stop", json_object(), out);
	return 0;
}
