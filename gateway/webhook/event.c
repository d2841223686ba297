#include "webhook/event.h"

#include <stdio.h>
#include <string.h>

#include "api/responses/answer.h"
#include "base/alloc.h"

const char *const og_event_types[] = {"response.completed", "response.failed", "response.cancelled",
	"response.incomplete", "batch.completed", "batch.failed", "batch.expired", "batch.cancelled", "job.done",
	"job.failed", "job.cancelled", "job.expired", NULL};

/* The one of the types that is called so; NULL: none is. */
static const char *find(const char *of, const char *what)
{
	size_t len = strlen(of);

	for (size_t i = 0; og_event_types[i]; i++) {
		const char *type = og_event_types[i];

		if (!strncmp(type, of, len) && type[len] == '.' && !strcmp(type + len + 1, what))
			return type;
	}
	return NULL;
}

bool og_event_is_type(const char *type)
{
	const char *dot = strchr(type, '.');
	og_autofree char *of = dot ? og_strndup(type, (size_t)(dot - type)) : NULL;

	return of && find(of, dot + 1);
}

/* Completed or incomplete is the engine's finish_reason's matter, and answer.c knows it. */
static const char *of_response(const json_t *completion)
{
	json_t *shown = completion ? og_response_ended("", NULL, completion, json_array()) : NULL;
	const char *status = json_string_value(json_object_get(shown, "status"));
	const char *type = find("response", status ? status : "completed");

	json_decref(shown);
	return type;
}

const char *og_event_of_job(const char *of, const char *state, const json_t *response)
{
	const char *type;

	if (!strcmp(of, "response") && !strcmp(state, "done"))
		return of_response(response);
	type = find(of, state);
	return type ? type : find(of, "failed"); /* dead, busy, no_capacity; a response that has expired */
}

const char *og_event_of_batch(const char *status)
{
	return find("batch", status);
}

void og_event_id(const char *word, const char *of, const char *what, char ret[static OG_EVENT_ID_SIZE])
{
	char uuid[OG_ID_LEN + 1], hex[OG_RESPONSE_HEX + 1];

	og_uuid_of_key(of, what, uuid);
	og_response_hex(uuid, hex);
	snprintf(ret, OG_EVENT_ID_SIZE, "%.3s_%s", word, hex);
}

json_t *og_event_new(const char *type, const char *id, int64_t created_s)
{
	char event[OG_EVENT_ID_SIZE];

	og_event_id("evt", id, type, event);
	return json_pack("{s:s, s:s, s:s, s:I, s:{s:s}}", "object", "event", "id", event, "type", type, "created_at",
		(json_int_t)created_s, "data", "id", id);
}
