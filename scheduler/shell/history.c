#include "shell/history.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "model/json.h"

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

static void add(json_t *list, const json_t *job, const char *time, const char *what, bool of_a_run)
{
	struct og_event event = {.at_ms = json_integer_value(json_object_get(job, time)), .what = what};

	if (!event.at_ms)
		return;
	if (strcmp(what, "accepted") != 0)
		event.attempt = json_integer_value(json_object_get(job, "attempt"));
	if (of_a_run) {
		event.node_name = json_string_value(json_object_get(job, "node_name"));
		event.worker = json_string_value(json_object_get(job, "worker"));
	}
	if (!strcmp(time, "ended_ms"))
		event.error = json_string_value(json_object_get(job, "error"));
	json_array_append_new(list, og_event_object(&event));
}

json_t *og_history_of_record(const json_t *job)
{
	const char *state = json_string_value(json_object_get(job, "state"));
	json_t *list = json_array();

	if (!json_object_get(job, "refused"))
		add(list, job, "accepted_ms", "accepted", false);
	add(list, job, "queued_ms", "queued", false);
	add(list, job, "placed_ms", "placed", false);
	add(list, job, "started_ms", "started", true);
	if (state)
		add(list, job, "ended_ms", state, true);
	return list;
}
