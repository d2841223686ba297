#include "shell/history.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "model/json.h"

#define ERROR_BODY_MAX 4096 /* bytes of a body that is opened for its words */

static void set_text(json_t *object, const char *key, const char *text)
{
	if (text && *text)
		json_object_set_new(object, key, og_json_text(text));
}

json_t *og_event_object(const struct og_event *event)
{
	og_autofree char *words = event->words ? og_strndup(event->words, OG_HISTORY_WORDS) : NULL;
	json_t *object = json_pack("{s:I, s:s}", "at_ms", (json_int_t)event->at_ms, "what", event->what);

	if (event->attempt)
		json_object_set_new(object, "attempt", json_integer(event->attempt));
	set_text(object, "node_name", event->node_name);
	set_text(object, "worker", event->worker);
	set_text(object, "error", event->error);
	set_text(object, "words", words);
	return object;
}

char *og_event_line(const struct og_event *event)
{
	return og_json_dump(og_event_object(event), 0);
}

/* The message of {"error":{"type","message"}}: of what failed alone, so answers stay opaque. */
static char *words_of(const struct og_envelope *done, const struct og_message *m)
{
	json_t *root;
	char *words = NULL;

	if (!done->error_type || m->body_len > ERROR_BODY_MAX || og_json_parse(m->body, m->body_len, &root, NULL) != 0)
		return NULL;
	words = og_strdup(json_string_value(json_object_get(json_object_get(root, "error"), "message")));
	json_decref(root);
	return words;
}

void og_events_of_done(
	const struct og_envelope *done, const struct og_message *m, int64_t wall, char **ret_started, char **ret_ended)
{
	og_autofree char *words = words_of(done, m);
	struct og_event event = {.at_ms = wall - done->run_ms,
		.what = "started",
		.attempt = done->attempt,
		.node_name = done->node_name,
		.worker = done->worker};

	*ret_started = done->node ? og_event_line(&event) : NULL;
	event.at_ms = wall;
	event.what = done->state;
	event.error = done->error_type;
	event.words = words;
	*ret_ended = og_event_line(&event);
}

json_t *og_history_read(const char *text)
{
	json_t *list = json_array(), *event;

	while (text && *text) {
		size_t len = strcspn(text, "\t");

		if (og_json_parse(text, len, &event, NULL) == 0)
			json_array_append_new(list, event);
		text += len + (text[len] == '\t');
	}
	return list;
}
