#include "answer.h"

#include "base/alloc.h"
#include "merge.h"
#include "model/message.h"

/* Members of a chunk that are not of the whole answer: they are merged, kept as the last one, or written by us. */
static const char *const not_head[] = {"choices", "usage", "timings", "object", "model"};

void og_answer_init(struct og_answer *a, bool chat)
{
	*a = (struct og_answer){.chat = chat, .choices = og_merge_new()};
}

void og_answer_done(struct og_answer *a)
{
	json_decref(a->head);
	json_decref(a->whole);
	json_decref(a->usage);
	json_decref(a->timings);
	og_merge_free(a->choices);
	*a = (struct og_answer){0};
}

static void take_head(struct og_answer *a, const json_t *chunk)
{
	a->head = json_copy((json_t *)chunk);
	for (size_t i = 0; i < OG_COUNT(not_head); i++)
		json_object_del(a->head, not_head[i]);
}

static void keep_last(json_t **kept, json_t *value)
{
	if (!json_is_object(value))
		return;
	json_decref(*kept);
	*kept = json_incref(value);
}

/* An engine that only ever gives one choice may leave its number out. */
static int number_choices(json_t *choices)
{
	json_t *choice;
	size_t i;

	json_array_foreach(choices, i, choice)
	{
		if (!json_is_object(choice))
			return -1;
		if (!json_object_get(choice, "index"))
			json_object_set_new(choice, "index", json_integer((json_int_t)i));
	}
	return 0;
}

enum og_fault og_answer_add(struct og_answer *a, json_t *chunk, bool *ret_token)
{
	json_t *choices = json_object_get(chunk, "choices");
	struct og_merged merged = {0};

	if (!json_is_object(chunk) || (choices && !json_is_array(choices)) || number_choices(choices) < 0)
		return OG_FAULT_ENGINE_GARBAGE;
	if (!a->head)
		take_head(a, chunk);
	keep_last(&a->usage, json_object_get(chunk, "usage"));
	keep_last(&a->timings, json_object_get(chunk, "timings"));
	if (json_array_size(choices) && og_merge_add(a->choices, choices, &merged) < 0)
		return OG_FAULT_ENGINE_GARBAGE;
	a->bytes += merged.bytes;
	if (a->bytes > OG_BODY_MAX)
		return OG_FAULT_TOO_LARGE;
	*ret_token = merged.joined > 0;
	return OG_FAULT_NONE;
}

void og_answer_whole(struct og_answer *a, json_t *response)
{
	json_decref(a->whole);
	a->whole = json_incref(response);
	keep_last(&a->usage, json_object_get(response, "usage"));
}

bool og_answer_any(const struct og_answer *a)
{
	return a->whole || og_merge_first(a->choices) != NULL;
}

int64_t og_answer_usage(const struct og_answer *a, const char *key)
{
	json_int_t n = json_integer_value(json_object_get(a->usage, key));

	return n > 0 ? n : 0;
}

/* A merged chat choice is {"index", "delta", "finish_reason"}: the client of a whole answer knows the delta as
 * `message`. */
static void finish_choice(json_t *choice)
{
	json_t *message = json_incref(json_object_get(choice, "delta"));

	if (!message)
		message = json_object();
	json_object_del(choice, "delta");
	if (!json_object_get(message, "role"))
		json_object_set_new(message, "role", json_string("assistant"));
	if (!json_object_get(message, "content"))
		json_object_set_new(message, "content", json_null());
	json_object_set_new(choice, "message", message);
}

static json_t *whole_response(const struct og_answer *a, const char *model)
{
	json_t *response = json_copy(a->whole);

	json_object_set_new(response, "model", json_string(model));
	return response;
}

static json_t *merged_response(const struct og_answer *a, const char *model)
{
	json_t *response = a->head ? json_copy(a->head) : json_object();
	json_t *choices = og_merge_json(a->choices);
	json_t *choice;
	size_t i;

	json_object_set_new(response, "object", json_string(a->chat ? "chat.completion" : "text_completion"));
	json_object_set_new(response, "model", json_string(model));
	if (a->chat) {
		json_array_foreach(choices, i, choice)
		{
			finish_choice(choice);
		}
	}
	json_object_set_new(response, "choices", choices);
	if (a->usage)
		json_object_set(response, "usage", a->usage);
	if (a->timings)
		json_object_set(response, "timings", a->timings);
	return response;
}

json_t *og_answer_response(const struct og_answer *a, const char *model)
{
	return a->whole ? whole_response(a, model) : merged_response(a, model);
}
