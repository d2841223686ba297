#include "answer.h"

#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"

#define TRIED_CAP 1024u

static const char *text_of(const json_t *object, const char *key, const char *otherwise)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : otherwise;
}

enum og_exit og_answer_exit(const char *error_type, enum og_exit otherwise)
{
	static const struct {
		const char *type;
		enum og_exit exit;
	} rows[] = {
		{"not_found", OG_EXIT_NOT_FOUND},
		{"unknown_model", OG_EXIT_NOT_FOUND},
		{"result_gone", OG_EXIT_NOT_FOUND},
		{"busy", OG_EXIT_BUSY},
		{"limited", OG_EXIT_BUSY},
		{"invalid_request", OG_EXIT_USAGE},
		{"not_allowed", OG_EXIT_NOT_ALLOWED},
	};

	for (size_t i = 0; i < OG_COUNT(rows); i++)
		if (!strcmp(error_type, rows[i].type))
			return rows[i].exit;
	return otherwise;
}

bool og_answer_refused(const json_t *answer, const char **ret_type, const char **ret_message)
{
	const json_t *error = json_object_get(answer, "error");

	*ret_type = text_of(error, "type", "unknown");
	*ret_message = text_of(error, "message", "no reason was given");
	return error != NULL;
}

const char *og_answer_text(const json_t *result, size_t *ret_len)
{
	const json_t *choices = json_object_get(json_object_get(result, "response"), "choices");
	const json_t *choice = json_array_get(choices, 0), *message = json_object_get(choice, "message");
	const json_t *text = json_object_get(result, "text");

	if (!text)
		text = message ? json_object_get(message, "content") : json_object_get(choice, "text");
	if (!text && !choice)
		return NULL;
	*ret_len = json_is_string(text) ? json_string_length(text) : 0;
	return json_is_string(text) ? json_string_value(text) : "";
}

static enum og_exit print_json(struct og_screen *screen, const char *id, enum og_state state, const json_t *result)
{
	json_t *whole = json_pack("{s:s, s:s}", "id", id, "state", og_state_name(state));
	const char *text;
	size_t len;
	int rc;

	json_object_update(whole, (json_t *)result);
	text = og_answer_text(result, &len);
	if (text && !json_object_get(whole, "text"))
		json_object_set_new(whole, "text", json_stringn_nocheck(text, len));
	rc = og_screen_json(screen, whole);
	json_decref(whole);
	return rc < 0 ? OG_EXIT_INTERNAL : OG_EXIT_ANSWERED;
}

/* ", tried by NodeA, NodeB", where the end says it. */
static char *describe_tried(const json_t *result)
{
	const json_t *tried = json_object_get(result, "tried"), *node;
	struct og_buf out;
	size_t i;

	og_buf_init(&out, TRIED_CAP);
	json_array_foreach(tried, i, node)
	{
		const char *name = text_of(node, "name", "");

		og_buf_addf(&out, "%s%s", i ? ", " : ", tried by ", *name ? name : text_of(node, "id", "?"));
	}
	return og_buf_take(&out);
}

static void tell_dead(
	struct og_screen *screen, const char *id, const char *type, const char *message, const json_t *result)
{
	og_autofree char *tried = describe_tried(result);

	og_screen_error(screen, "dead: %s: %s%s (job %s; `og dead show %s`)", type, message, tried, id, id);
}

enum og_exit og_answer_end(
	struct og_screen *screen, bool json, const char *id, enum og_state state, const json_t *result)
{
	const json_t *error = json_object_get(result, "error");
	const char *type = text_of(error, "type", og_state_name(state)), *message;
	size_t len;

	if (json && print_json(screen, id, state, result) != OG_EXIT_ANSWERED)
		return OG_EXIT_INTERNAL;
	if (state == OG_STATE_DONE) {
		if (og_answer_text(result, &len))
			return OG_EXIT_ANSWERED;
		og_screen_error(screen, "job %s ended, but its answer cannot be read", id);
		return OG_EXIT_FAILED;
	}
	message = text_of(error, "message", "no reason was given");
	if (state == OG_STATE_DEAD) {
		tell_dead(screen, id, type, message, result);
		return OG_EXIT_FAILED;
	}
	og_screen_error(screen, "%s: %s (job %s)", type, message, id);
	return og_answer_exit(type, og_state_exit(state));
}
