#include "api/responses/events.h"

#include <stdlib.h>
#include <string.h>

#include "api/prompt.h"
#include "base/alloc.h"
#include "model/json.h"
#include "model/json_text.h"

void og_response_events_init(struct og_response_events *e, const char *hex, const json_t *echo, int64_t after)
{
	*e = (struct og_response_events){.echo = json_incref((json_t *)echo), .after = after, .output = json_array()};
	strcpy(e->hex, hex);
	og_buf_init(&e->text, OG_RESPONSE_TEXT_MAX);
}

static void close_books(struct og_response_events *e)
{
	og_buf_clear(&e->text);
	json_decref(e->logprobs);
	free(e->call_id);
	free(e->name);
	e->logprobs = NULL;
	e->call_id = e->name = NULL;
	e->open = OG_ITEM_NONE;
}

void og_response_events_done(struct og_response_events *e)
{
	close_books(e);
	og_buf_done(&e->text);
	json_decref(e->output);
	json_decref(e->echo);
}

/* ── one event ── */

/* An event with a number; takes over `event`. */
static void put_event(int64_t number, const char *type, json_t *event, struct og_buf *out)
{
	og_autofree char *text = NULL;

	json_object_set_new(event, "type", json_string(type));
	json_object_set_new(event, "sequence_number", json_integer(number));
	text = og_json_dump(event, 0);
	og_sse_event(out, type, text, strlen(text));
}

static void say(struct og_response_events *e, const char *type, json_t *event, struct og_buf *out)
{
	int64_t number = e->next++;

	if (number > e->after)
		put_event(number, type, event, out);
	else
		json_decref(event);
}

/* How many of the bytes, whose first has the number e->next, the client has: whole characters. */
static size_t known_bytes(const struct og_response_events *e, const char *text, size_t len)
{
	size_t known = e->after < e->next ? 0 : (uint64_t)(e->after - e->next) + 1;

	if (known >= len)
		return len;
	while (known && ((unsigned char)text[known] & 0xc0) == 0x80)
		known--;
	return known;
}

static int output_index(const struct og_response_events *e)
{
	return (int)json_array_size(e->output);
}

static char *item_id(const struct og_response_events *e)
{
	switch (e->open) {
	case OG_ITEM_REASONING:
		return og_printf("rs_%s", e->hex);
	case OG_ITEM_CALL:
		return og_printf("fc_%s_%zu", e->hex, e->calls - 1);
	default:
		return og_printf("msg_%s", e->hex);
	}
}

/* An event about the open item. */
static json_t *about(const struct og_response_events *e)
{
	og_autofree char *id = item_id(e);
	json_t *event = json_pack("{s:s, s:i}", "item_id", id, "output_index", output_index(e));

	if (e->open != OG_ITEM_CALL)
		json_object_set_new(event, "content_index", json_integer(0));
	return event;
}

static json_t *about_with(const struct og_response_events *e, const char *key, json_t *value)
{
	json_t *event = about(e);

	json_object_set_new(event, key, value);
	return event;
}

/* ── the open item ── */

static json_t *item_of(const struct og_response_events *e, const char *status)
{
	const char *text = og_buf_str(&e->text);

	switch (e->open) {
	case OG_ITEM_REASONING:
		return og_item_reasoning(e->hex, status, text, e->text.len);
	case OG_ITEM_CALL:
		return og_item_call(e->hex, e->calls - 1, status, e->call_id, e->name, text, e->text.len);
	default:
		return og_item_message(e->hex, status, text, e->text.len, json_incref(e->logprobs));
	}
}

static json_t *part_of(const struct og_response_events *e)
{
	const char *text = og_buf_str(&e->text);

	return e->open == OG_ITEM_REASONING ? og_part_reasoning(text, e->text.len)
	                                    : og_part_text(text, e->text.len, json_incref(e->logprobs));
}

static void close_item(struct og_response_events *e, struct og_buf *out)
{
	static const char *const types[] = {[OG_ITEM_REASONING] = "response.reasoning_text.done",
		[OG_ITEM_MESSAGE] = "response.output_text.done",
		[OG_ITEM_CALL] = "response.function_call_arguments.done"};
	json_t *text, *item, *done;

	if (e->open == OG_ITEM_NONE)
		return;
	text = json_stringn(og_buf_str(&e->text), e->text.len);
	done = about_with(e, e->open == OG_ITEM_CALL ? "arguments" : "text", text ? text : json_string(""));
	if (e->open == OG_ITEM_MESSAGE)
		json_object_set_new(done, "logprobs", e->logprobs ? json_incref(e->logprobs) : json_array());
	if (e->open == OG_ITEM_CALL)
		json_object_set_new(done, "name", json_string(e->name));
	say(e, types[e->open], done, out);
	if (e->open != OG_ITEM_CALL)
		say(e, "response.content_part.done", about_with(e, "part", part_of(e)), out);
	item = item_of(e, "completed");
	say(e, "response.output_item.done", json_pack("{s:i, s:O}", "output_index", output_index(e), "item", item),
		out);
	json_array_append_new(e->output, item);
	close_books(e);
}

static void open_item(struct og_response_events *e, enum og_item_kind kind, struct og_buf *out)
{
	e->open = kind;
	e->calls += kind == OG_ITEM_CALL;
	say(e, "response.output_item.added",
		json_pack("{s:i, s:o}", "output_index", output_index(e), "item", item_of(e, "in_progress")), out);
	if (kind != OG_ITEM_CALL)
		say(e, "response.content_part.added", about_with(e, "part", part_of(e)), out);
}

/* The next bytes of the open item. Takes over `logprobs`. */
static void write_text(struct og_response_events *e, const char *text, size_t len, json_t *logprobs, struct og_buf *out)
{
	static const char *const types[] = {[OG_ITEM_REASONING] = "response.reasoning_text.delta",
		[OG_ITEM_MESSAGE] = "response.output_text.delta",
		[OG_ITEM_CALL] = "response.function_call_arguments.delta"};
	size_t known = known_bytes(e, text, len);
	json_t *delta = known < len ? json_stringn(text + known, len - known) : NULL;

	if (delta) {
		json_t *event = about_with(e, "delta", delta);

		if (e->open == OG_ITEM_MESSAGE)
			json_object_set_new(event, "logprobs", logprobs ? json_incref(logprobs) : json_array());
		put_event(e->next + (int64_t)len - 1, types[e->open], event, out);
	}
	e->next += (int64_t)len;
	og_buf_add(&e->text, text, len);
	if (logprobs && !e->logprobs)
		e->logprobs = json_array();
	json_array_extend(e->logprobs, logprobs);
	json_decref(logprobs);
}

/* ── what an engine says ── */

static void think(struct og_response_events *e, const char *text, size_t len, struct og_buf *out)
{
	if (e->open != OG_ITEM_REASONING) {
		close_item(e, out);
		open_item(e, OG_ITEM_REASONING, out);
	}
	e->thought += len;
	write_text(e, text, len, NULL, out);
}

static void speak(struct og_response_events *e, const char *text, size_t len, json_t *logprobs, struct og_buf *out)
{
	if (e->open != OG_ITEM_MESSAGE) {
		close_item(e, out);
		open_item(e, OG_ITEM_MESSAGE, out);
	}
	e->said += len;
	write_text(e, text, len, logprobs, out);
}

static const char *text_at(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

/* `n`: which call it is; `skip`: bytes of its arguments that were written. */
static void call(struct og_response_events *e, size_t n, const json_t *said, size_t skip, struct og_buf *out)
{
	const json_t *function = json_object_get(said, "function");
	const char *arguments = text_at(function, "arguments");
	size_t len = strlen(arguments);

	if (n >= e->calls) {
		close_item(e, out);
		e->call_id = og_strdup(text_at(said, "id"));
		e->name = og_strdup(text_at(function, "name"));
		open_item(e, OG_ITEM_CALL, out);
	}
	if (len > skip && e->open == OG_ITEM_CALL)
		write_text(e, arguments + skip, len - skip, NULL, out);
}

static void take_calls(struct og_response_events *e, const json_t *calls, struct og_buf *out)
{
	const json_t *one, *index;
	size_t i;

	json_array_foreach(calls, i, one)
	{
		index = json_object_get(one, "index");
		call(e, json_is_integer(index) ? (size_t)json_integer_value(index) : e->calls, one, 0, out);
	}
}

void og_response_events_chunk(struct og_response_events *e, const char *data, size_t len, struct og_buf *out)
{
	json_t *chunk = og_json_load(data, len, JSON_ALLOW_NUL, NULL);
	const json_t *choice = json_array_get(json_object_get(chunk, "choices"), 0);
	const json_t *delta = json_object_get(choice, "delta");
	const json_t *thought = json_object_get(delta, "reasoning_content"), *said = json_object_get(delta, "content");

	if (json_string_length(thought))
		think(e, json_string_value(thought), json_string_length(thought), out);
	if (json_string_length(said))
		speak(e, json_string_value(said), json_string_length(said),
			json_incref(json_object_get(json_object_get(choice, "logprobs"), "content")), out);
	take_calls(e, json_object_get(delta, "tool_calls"), out);
	json_decref(chunk);
}

/* ── the whole ── */

static json_t *with_response(json_t *response)
{
	return json_pack("{s:o}", "response", response);
}

void og_response_events_begin(struct og_response_events *e, struct og_buf *out)
{
	say(e, "response.created", with_response(og_response_bare(e->hex, e->echo, "in_progress")), out);
	say(e, "response.in_progress", with_response(og_response_bare(e->hex, e->echo, "in_progress")), out);
}

/* What of the whole message was not in the chunks that came. */
static void catch_up(struct og_response_events *e, const json_t *message, struct og_buf *out)
{
	const json_t *thought = json_object_get(message, "reasoning_content");
	const json_t *said = json_object_get(message, "content"), *calls = json_object_get(message, "tool_calls");
	size_t i, done = e->calls;
	const json_t *one;

	if (json_string_length(thought) > e->thought && !e->said && !e->calls)
		think(e, json_string_value(thought) + e->thought, json_string_length(thought) - e->thought, out);
	if (json_string_length(said) > e->said && !e->calls)
		speak(e, json_string_value(said) + e->said, json_string_length(said) - e->said, NULL, out);
	json_array_foreach(calls, i, one)
	{
		if (i + 1 >= done)
			call(e, i, one, i + 1 == done ? e->text.len : 0, out);
	}
	if (!e->said && !e->calls && e->open != OG_ITEM_MESSAGE) { /* an answer has a message, if an empty one */
		close_item(e, out);
		open_item(e, OG_ITEM_MESSAGE, out);
	}
}

void og_response_events_end(struct og_response_events *e, const json_t *completion, struct og_buf *out)
{
	json_t *response;
	const char *type;

	catch_up(e, og_completion_message(completion), out);
	close_item(e, out);
	response = og_response_ended(e->hex, e->echo, completion, json_incref(e->output));
	type = strcmp(text_at(response, "status"), "incomplete") ? "response.completed" : "response.incomplete";
	say(e, type, with_response(response), out);
}

void og_response_events_broken(
	struct og_response_events *e, const char *status, const struct og_refusal *why, struct og_buf *out)
{
	json_t *response = og_response_failed(e->hex, e->echo, why);

	json_object_set_new(response, "status", json_string(status));
	json_object_set(response, "output", e->output);
	if (e->next <= e->after)
		e->next = e->after + 1; /* the end is told to whoever asks */
	say(e, "response.failed", with_response(response), out);
}
