#include "api/responses/request.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

#define PREFIX    "resp_"
#define ITEMS_MAX 10000
#define TOOLS_MAX 1000

void og_response_hex(const char *job, char ret[static OG_RESPONSE_HEX + 1])
{
	size_t n = 0;

	for (; *job && n < OG_RESPONSE_HEX; job++)
		if (*job != '-')
			ret[n++] = *job;
	ret[n] = '\0';
}

int og_response_job(const char *response, char ret[static OG_ID_LEN + 1])
{
	const char *hex = response + strlen(PREFIX);
	size_t n = 0;

	if (strncmp(response, PREFIX, strlen(PREFIX)) != 0 || strlen(hex) != OG_RESPONSE_HEX)
		return -1;
	for (size_t i = 0; i < OG_RESPONSE_HEX; i++) {
		if (!isxdigit((unsigned char)hex[i]) || isupper((unsigned char)hex[i]))
			return -1;
		if (i == 8 || i == 12 || i == 16 || i == 20)
			ret[n++] = '-';
		ret[n++] = hex[i];
	}
	ret[n] = '\0';
	return 0;
}

static int refuse(struct og_refusal *why, const char *param, const char *words)
{
	og_refuse_with(why, 400, "invalid_value", "%s: %s", param, words);
	why->param = param;
	return -1;
}

/* ── the request as a whole ── */

static int flag(const json_t *body, const char *name, bool usual, bool *ret, struct og_refusal *why)
{
	const json_t *value = json_object_get(body, name);

	if (value && !json_is_null(value) && !json_is_boolean(value))
		return refuse(why, name, "must be true or false");
	*ret = json_is_boolean(value) ? json_is_true(value) : usual;
	return 0;
}

static int tokens(const json_t *body, int64_t *ret, struct og_refusal *why)
{
	const json_t *value = json_object_get(body, "max_output_tokens");

	*ret = 0;
	if (!value || json_is_null(value))
		return 0;
	if (!json_is_integer(value) || json_integer_value(value) < 1)
		return refuse(why, "max_output_tokens", "must be a number from 1 on");
	*ret = json_integer_value(value);
	return 0;
}

/* What would silently not happen is refused. */
static int unserved(const json_t *body, struct og_refusal *why)
{
	static const char *const names[] = {"conversation", "prompt"};

	for (size_t i = 0; i < OG_COUNT(names); i++) {
		const json_t *value = json_object_get(body, names[i]);

		if (value && !json_is_null(value))
			return refuse(why, names[i],
				"is not kept here: send the items in `input`, or go on from previous_response_id");
	}
	return 0;
}

int og_responses_flags(const json_t *body, struct og_responses_flags *ret, struct og_refusal *why)
{
	const json_t *previous = json_object_get(body, "previous_response_id");
	char job[OG_ID_LEN + 1];

	if (flag(body, "stream", false, &ret->stream, why) < 0 || flag(body, "store", true, &ret->store, why) < 0 ||
		flag(body, "background", false, &ret->background, why) < 0 || tokens(body, &ret->max_tokens, why) < 0 ||
		unserved(body, why) < 0)
		return -1;
	ret->previous = json_string_value(previous);
	if (previous && !json_is_null(previous) && (!ret->previous || og_response_job(ret->previous, job) < 0))
		return refuse(why, "previous_response_id", "is the id of a response, `resp_` and 32 hex digits");
	if (ret->background && !ret->store)
		return refuse(why, "background", "needs `store`: the answer is fetched later");
	return 0;
}

/* ── the input as items ── */

static const char *item_prefix(const json_t *item)
{
	const char *type = json_string_value(json_object_get(item, "type"));

	if (!type || !strcmp(type, "message"))
		return "msg";
	if (!strcmp(type, "function_call"))
		return "fc";
	return !strcmp(type, "function_call_output") ? "fco" : !strcmp(type, "reasoning") ? "rs" : "item";
}

/* As it was sent, with its type and an id, which lists of items want. */
static json_t *named_item(const json_t *item, const char *hex, size_t n)
{
	json_t *named = json_copy((json_t *)item);
	const char *id = json_string_value(json_object_get(item, "id"));
	og_autofree char *made = og_printf("%s_%s_in%zu", item_prefix(item), hex, n);

	if (!json_object_get(item, "type"))
		json_object_set_new(named, "type", json_string("message"));
	if (!id || !*id)
		json_object_set_new(named, "id", json_string(made));
	return named;
}

int og_responses_items(const json_t *body, const char *hex, json_t **ret, struct og_refusal *why)
{
	const json_t *input = json_object_get(body, "input"), *item;
	json_t *items;
	size_t i;

	if (!input)
		return refuse(why, "input", "is missing, and must be there");
	if (json_is_string(input)) {
		*ret = json_pack("[{s:s, s:s, s:[{s:s, s:O}], s:o}]", "type", "message", "role", "user", "content",
			"type", "input_text", "text", input, "id", json_sprintf("msg_%s_in0", hex));
		return 0;
	}
	if (!json_is_array(input) || json_array_size(input) > ITEMS_MAX)
		return refuse(why, "input", "must be text, or a list of at most 10,000 items");
	items = json_array();
	json_array_foreach(input, i, item)
	{
		if (!json_is_object(item)) {
			json_decref(items);
			return refuse(why, "input", "each item of the list must be an object");
		}
		json_array_append_new(items, named_item(item, hex, i));
	}
	*ret = items;
	return 0;
}

/* ── the engine's request ── */

static void move(json_t *chat, const char *from, const char *to)
{
	json_t *value = json_incref(json_object_get(chat, from));

	json_object_del(chat, from);
	if (!json_is_null(value))
		json_object_set(chat, to, value);
	json_decref(value);
}

static json_t *function_of(const json_t *flat)
{
	static const char *const keys[] = {"name", "description", "parameters", "strict"};
	json_t *function = json_object();

	for (size_t i = 0; i < OG_COUNT(keys); i++) {
		json_t *value = json_object_get(flat, keys[i]);

		if (value && !json_is_null(value))
			json_object_set(function, keys[i], value);
	}
	return json_pack("{s:s, s:o}", "type", "function", "function", function);
}

static bool is_function(const json_t *tool)
{
	const char *type = json_string_value(json_object_get(tool, "type"));

	return type && !strcmp(type, "function") && json_is_string(json_object_get(tool, "name"));
}

static int put_tools(json_t *chat, struct og_refusal *why)
{
	const json_t *tools = json_object_get(chat, "tools"), *tool;
	json_t *made;
	size_t i;

	if (!tools)
		return 0;
	if (json_is_null(tools) || (json_is_array(tools) && !json_array_size(tools))) {
		json_object_del(chat, "tools");
		json_object_del(chat, "tool_choice");
		return 0;
	}
	if (!json_is_array(tools) || json_array_size(tools) > TOOLS_MAX)
		return refuse(why, "tools", "must be a list of at most 1,000 tools");
	made = json_array();
	json_array_foreach(tools, i, tool)
	{
		if (!is_function(tool)) {
			json_decref(made);
			return refuse(why, "tools", "only tools of the type `function`, each with a name, are served");
		}
		json_array_append_new(made, function_of(tool));
	}
	json_object_set_new(chat, "tools", made);
	return 0;
}

static int put_choice(json_t *chat, struct og_refusal *why)
{
	const json_t *choice = json_object_get(chat, "tool_choice");

	if (!choice || json_is_string(choice))
		return 0;
	if (json_is_null(choice)) {
		json_object_del(chat, "tool_choice");
		return 0;
	}
	if (!is_function(choice))
		return refuse(why, "tool_choice",
			"must be `auto`, `none`, `required` or {\"type\": \"function\", \"name\": …}");
	json_object_set_new(chat, "tool_choice",
		json_pack("{s:s, s:{s:O}}", "type", "function", "function", "name", json_object_get(choice, "name")));
	return 0;
}

static json_t *schema_format(const json_t *format)
{
	static const char *const keys[] = {"name", "description", "schema", "strict"};
	json_t *schema = json_object();

	for (size_t i = 0; i < OG_COUNT(keys); i++) {
		json_t *value = json_object_get(format, keys[i]);

		if (value && !json_is_null(value))
			json_object_set(schema, keys[i], value);
	}
	return json_pack("{s:s, s:o}", "type", "json_schema", "json_schema", schema);
}

static int put_format(json_t *chat, struct og_refusal *why)
{
	json_t *text = json_incref(json_object_get(chat, "text"));
	const json_t *format = json_object_get(text, "format"), *verbosity = json_object_get(text, "verbosity");
	const char *type = json_string_value(json_object_get(format, "type"));
	int rc = 0;

	json_object_del(chat, "text");
	if (json_is_string(verbosity))
		json_object_set(chat, "verbosity", (json_t *)verbosity);
	if (!format || json_is_null(format) || (type && !strcmp(type, "text")))
		rc = 0;
	else if (type && !strcmp(type, "json_object"))
		json_object_set_new(chat, "response_format", json_pack("{s:s}", "type", "json_object"));
	else if (type && !strcmp(type, "json_schema") && json_is_object(json_object_get(format, "schema")))
		json_object_set_new(chat, "response_format", schema_format(format));
	else
		rc = refuse(why, "text",
			"`format` must be of the type `text`, `json_object`, or `json_schema` with a `schema`");
	json_decref(text);
	return rc;
}

static bool includes(const json_t *list, const char *what)
{
	const json_t *one;
	size_t i;

	json_array_foreach(list, i, one)
	{
		if (json_is_string(one) && !strcmp(json_string_value(one), what))
			return true;
	}
	return false;
}

static void put_rest(json_t *chat)
{
	/* What has done its work here, and would only confuse an engine. */
	static const char *const ours[] = {"input", "instructions", "previous_response_id", "stream", "stream_options",
		"store", "background", "metadata", "include", "truncation", "reasoning", "max_tool_calls",
		"service_tier", "prompt_cache_key", "prompt_cache_retention", "safety_identifier", "conversation",
		"prompt"};
	json_t *effort = json_object_get(json_object_get(chat, "reasoning"), "effort");

	if (json_is_string(effort))
		json_object_set(chat, "reasoning_effort", effort);
	if (includes(json_object_get(chat, "include"), "message.output_text.logprobs") ||
		json_integer_value(json_object_get(chat, "top_logprobs")) > 0)
		json_object_set_new(chat, "logprobs", json_true());
	for (size_t i = 0; i < OG_COUNT(ours); i++)
		json_object_del(chat, ours[i]);
	move(chat, "max_output_tokens", "max_tokens");
}

int og_responses_chat(const json_t *body, const json_t *items, json_t **ret, struct og_refusal *why)
{
	json_t *chat, *messages;

	if (og_responses_messages(json_object_get(body, "instructions"), items, &messages, why) < 0)
		return -1;
	chat = json_copy((json_t *)body);
	json_object_set_new(chat, "messages", messages);
	if (put_tools(chat, why) < 0 || put_choice(chat, why) < 0 || put_format(chat, why) < 0) {
		json_decref(chat);
		return -1;
	}
	put_rest(chat);
	*ret = chat;
	return 0;
}

/* ── what is said again ── */

json_t *og_responses_echo(const json_t *body, int64_t created_s)
{
	static const char *const keys[] = {"background", "instructions", "max_output_tokens", "max_tool_calls",
		"metadata", "model", "parallel_tool_calls", "previous_response_id", "prompt_cache_key", "reasoning",
		"safety_identifier", "service_tier", "store", "temperature", "text", "tool_choice", "tools",
		"top_logprobs", "top_p", "truncation", "user"};
	json_t *echo =
		json_pack("{s:I, s:b, s:n, s:n, s:{}, s:b, s:n, s:{s:n, s:n}, s:b, s:f, s:{s:{s:s}}, s:s, s:[], s:f, "
			  "s:s}",
			"created_at", (json_int_t)created_s, "background", 0, "instructions", "max_output_tokens",
			"metadata", "parallel_tool_calls", 1, "previous_response_id", "reasoning", "effort", "summary",
			"store", 1, "temperature", 1.0, "text", "format", "type", "text", "tool_choice", "auto",
			"tools", "top_p", 1.0, "truncation", "disabled");

	for (size_t i = 0; i < OG_COUNT(keys); i++) {
		json_t *value = json_object_get(body, keys[i]);

		if (value && !json_is_null(value))
			json_object_set(echo, keys[i], value);
	}
	return echo;
}
