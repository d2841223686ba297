#include "api/sent.h"
#include "model/json_text.h"

#include <string.h>

#define RAW_MAX  (16u * 1024)
#define FNV_SEED UINT64_C(0xcbf29ce484222325) /* FNV-1a, http://www.isthe.com/chongo/tech/comp/fnv/ */
#define FNV_STEP UINT64_C(0x100000001b3)

static uint64_t hash(uint64_t h, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)text[i]) * FNV_STEP;
	return h;
}

void og_sent_init(struct og_sent *s)
{
	memset(s, 0, sizeof(*s));
	og_buf_init(&s->raw, RAW_MAX);
	for (size_t i = 0; i < OG_SENT_CHOICES; i++)
		s->choices[i].hash = FNV_SEED;
}

void og_sent_done(struct og_sent *s)
{
	og_buf_done(&s->raw);
}

/* ── what went out ── */

/* Anything in a delta but its text and who speaks. */
static bool says_more(const json_t *delta)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)delta, key, value)
	{
		if (strcmp(key, "content") != 0 && strcmp(key, "role") != 0 && !json_is_null(value) &&
			!(json_is_string(value) && !json_string_length(value)))
			return true;
	}
	return false;
}

static void look_into_choice(struct og_sent *s, const json_t *choice)
{
	json_int_t index = json_integer_value(json_object_get(choice, "index"));
	const json_t *delta = json_object_get(choice, "delta");
	const json_t *text = json_object_get(delta ? delta : choice, delta ? "content" : "text");

	if (index < 0 || index >= OG_SENT_CHOICES || says_more(delta)) {
		s->opaque = true;
		return;
	}
	s->choices[index].hash = hash(s->choices[index].hash, json_string_value(text), json_string_length(text));
	s->choices[index].len += json_string_length(text);
}

static void look_into(struct og_sent *s, const char *chunk, size_t len)
{
	json_t *object = og_json_load(chunk, len, JSON_ALLOW_NUL, NULL);
	const json_t *choice;
	size_t i;

	json_array_foreach(json_object_get(object, "choices"), i, choice)
	{
		look_into_choice(s, choice);
	}
	s->opaque = s->opaque || !object;
	json_decref(object);
}

static void fold(struct og_sent *s)
{
	const char *at = og_buf_str(&s->raw), *end = at + s->raw.len;

	while (at < end) {
		const char *stop = memchr(at, '\n', (size_t)(end - at));

		look_into(s, at, (size_t)(stop - at));
		at = stop + 1;
	}
	og_buf_clear(&s->raw);
}

/* A chunk is one line: the worker sees to it (docs/PROTOCOL.md). */
void og_sent_add(struct og_sent *s, const char *chunk, size_t len)
{
	if (s->raw.len + len + 1 > RAW_MAX)
		fold(s);
	if (og_buf_add(&s->raw, chunk, len) < 0 || og_buf_add(&s->raw, "\n", 1) < 0) {
		og_buf_clear(&s->raw);
		look_into(s, chunk, len);
	}
}

/* ── what is missing ── */

static json_t *chunk_of(const json_t *response, json_t *choice)
{
	bool chat = !strcmp(json_string_value(json_object_get(response, "object")) ?: "", "chat.completion");
	json_t *chunk = json_object();

	json_object_set(chunk, "id", json_object_get(response, "id"));
	json_object_set_new(chunk, "object", json_string(chat ? "chat.completion.chunk" : "text_completion"));
	json_object_set(chunk, "created", json_object_get(response, "created"));
	json_object_set(chunk, "model", json_object_get(response, "model"));
	json_object_set_new(chunk, "choices", choice ? json_pack("[o]", choice) : json_array());
	return chunk;
}

/* Of one that has not begun: all of the message, its calls numbered as those of a stream are. */
static json_t *whole_delta(const json_t *message)
{
	json_t *delta = json_deep_copy(message), *call;
	size_t i;

	json_array_foreach(json_object_get(delta, "tool_calls"), i, call)
	{
		json_object_set_new(call, "index", json_integer((json_int_t)i));
	}
	return delta;
}

static json_t *rest_of_choice(const struct og_sent *s, const json_t *choice)
{
	json_int_t index = json_integer_value(json_object_get(choice, "index"));
	const json_t *message = json_object_get(choice, "message");
	const json_t *text = json_object_get(message ? message : choice, message ? "content" : "text");
	const char *whole = json_string_value(text) ?: "";
	size_t sent, len = json_string_length(text);
	json_t *rest;

	if (index < 0 || index >= OG_SENT_CHOICES)
		return NULL;
	sent = s->choices[index].len;
	if (sent > len || hash(FNV_SEED, whole, sent) != s->choices[index].hash || (sent && says_more(message)))
		return NULL;
	rest = json_pack("{s:I, s:O?}", "index", index, "finish_reason", json_object_get(choice, "finish_reason"));
	if (!message)
		json_object_set_new(rest, "text", json_stringn(whole + sent, len - sent));
	else if (sent)
		json_object_set_new(
			rest, "delta", json_pack("{s:o}", "content", json_stringn(whole + sent, len - sent)));
	else
		json_object_set_new(rest, "delta", whole_delta(message));
	return rest;
}

json_t *og_sent_rest(struct og_sent *s, const json_t *response)
{
	const json_t *choice, *usage = json_object_get(response, "usage");
	json_t *rest, *last;
	size_t i;

	if (!json_array_size(json_object_get(response, "choices")))
		return NULL; /* no answer at all: not one of which nothing is missing */
	fold(s);
	rest = json_array();
	json_array_foreach(json_object_get(response, "choices"), i, choice)
	{
		json_t *missing = s->opaque ? NULL : rest_of_choice(s, choice);

		if (!missing) {
			json_decref(rest);
			return NULL;
		}
		json_array_append_new(rest, chunk_of(response, missing));
	}
	if (usage) {
		last = chunk_of(response, NULL);
		json_object_set(last, "usage", (json_t *)usage);
		json_array_append_new(rest, last);
	}
	return rest;
}
