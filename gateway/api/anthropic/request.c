#include "api/anthropic/request.h"

#include <string.h>

#include "base/alloc.h"

/* Turned into something else, or about Anthropic's own service; what is not named goes to the engine as it is. */
static const char *const turned[] = {"model", "messages", "system", "stream", "stop_sequences", "tools", "tool_choice",
	"thinking", "metadata", "output_config", "output_format", "cache_control", "context_management", "service_tier",
	"inference_geo", "diagnostics", "speed", "betas", "anthropic_beta", "user_profile_id", "workspace_id"};

/* What Anthropic would run at its end. */
static const char *const not_here[] = {"container", "mcp_servers"};

static const char *text_at(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

static bool is_turned(const char *name)
{
	for (size_t i = 0; i < OG_COUNT(turned); i++)
		if (!strcmp(turned[i], name))
			return true;
	return false;
}

/* ── tools ── */

static json_t *function_of(const json_t *tool)
{
	const json_t *schema = json_object_get(tool, "input_schema"), *strict = json_object_get(tool, "strict");
	json_t *function = json_pack("{s:s}", "name", text_at(tool, "name"));

	if (*text_at(tool, "description"))
		json_object_set(function, "description", json_object_get(tool, "description"));
	if (json_is_object(schema))
		json_object_set(function, "parameters", (json_t *)schema);
	if (json_is_boolean(strict))
		json_object_set(function, "strict", (json_t *)strict);
	return json_pack("{s:s, s:o}", "type", "function", "function", function);
}

static int add_tools(const json_t *tools, json_t *body, struct og_refusal *why)
{
	const json_t *tool;
	json_t *list;
	size_t i;

	if (!json_array_size(tools))
		return 0;
	list = json_array();
	json_object_set_new(body, "tools", list);
	json_array_foreach(tools, i, tool)
	{
		const char *type = text_at(tool, "type");

		if (*type && strcmp(type, "custom") != 0)
			return og_refuse_with(why, 400, "invalid_request",
				"tools.%zu: '%.60s' is a tool that Anthropic's models were taught; here tools are "
				"described "
				"by a name and an input_schema",
				i, type);
		if (!*text_at(tool, "name"))
			return og_refuse_with(why, 400, "invalid_request", "tools.%zu: has no name", i);
		json_array_append_new(list, function_of(tool));
	}
	return 0;
}

static int add_tool_choice(const json_t *choice, json_t *body, struct og_refusal *why)
{
	const char *type = text_at(choice, "type");

	if (!choice || json_is_null(choice))
		return 0;
	if (json_is_true(json_object_get(choice, "disable_parallel_tool_use")))
		json_object_set_new(body, "parallel_tool_calls", json_false());
	if (!strcmp(type, "auto") || !strcmp(type, "none"))
		json_object_set_new(body, "tool_choice", json_string(type));
	else if (!strcmp(type, "any"))
		json_object_set_new(body, "tool_choice", json_string("required"));
	else if (!strcmp(type, "tool") && *text_at(choice, "name"))
		json_object_set_new(body, "tool_choice",
			json_pack("{s:s, s:{s:s}}", "type", "function", "function", "name", text_at(choice, "name")));
	else
		return og_refuse_with(why, 400, "invalid_request",
			"tool_choice: its type is \"auto\", \"any\", \"none\", or \"tool\" with a name");
	return 0;
}

/* ── the rest ── */

/* Whether models think is a matter of their chat template to llama.cpp's server, vLLM and SGLang. For how long is a parameter of
 * llama.cpp's (vLLM's refuses a request where its operator has not said what thinking looks like, so it gets none). */
static int add_thinking(const json_t *thinking, json_t *body, bool *ret_hide, struct og_refusal *why)
{
	const char *type = text_at(thinking, "type");
	const json_t *budget = json_object_get(thinking, "budget_tokens");

	*ret_hide = !strcmp(type, "disabled");
	if (*type && strcmp(type, "adaptive") != 0)
		json_object_set_new(body, "chat_template_kwargs", json_pack("{s:b}", "enable_thinking", !*ret_hide));
	if (strcmp(type, "enabled") != 0 || !budget || json_is_null(budget))
		return 0;
	if (json_integer_value(budget) < 1)
		return og_refuse_with(
			why, 400, "invalid_request", "thinking.budget_tokens: must be a whole number above 0");
	json_object_set(body, "thinking_budget_tokens", (json_t *)budget);
	return 0;
}

static void add_output(const json_t *q, json_t *body)
{
	const json_t *config = json_object_get(q, "output_config");
	const json_t *format = json_object_get(config, "format"), *schema;

	if (!format)
		format = json_object_get(q, "output_format");
	schema = json_object_get(format, "schema");
	if (json_is_object(schema))
		json_object_set_new(body, "response_format",
			json_pack("{s:s, s:{s:s, s:b, s:O}}", "type", "json_schema", "json_schema", "name", "answer",
				"strict", 1, "schema", schema));
	if (*text_at(config, "effort"))
		json_object_set(body, "reasoning_effort", json_object_get(config, "effort"));
}

static int check(const json_t *q, struct og_refusal *why)
{
	const json_t *stream = json_object_get(q, "stream");
	size_t model = strlen(text_at(q, "model"));

	if (!model || model >= OG_NAME_MAX)
		return og_refuse_with(why, 400, "invalid_request",
			"model: name the model as text of 1 to %d bytes; GET /v1/models lists them", OG_NAME_MAX - 1);
	if (!json_array_size(json_object_get(q, "messages")))
		return og_refuse_with(why, 400, "invalid_request", "messages: must be a list of at least one");
	if (stream && !json_is_boolean(stream) && !json_is_null(stream))
		return og_refuse_with(why, 400, "invalid_request", "stream: must be true or false");
	for (size_t i = 0; i < OG_COUNT(not_here); i++) {
		const json_t *value = json_object_get(q, not_here[i]);

		if (json_is_string(value) || json_object_size(value) || json_array_size(value))
			return og_refuse_with(
				why, 400, "invalid_request", "%s: is run at Anthropic, and nowhere here", not_here[i]);
	}
	return 0;
}

static int fill(const json_t *q, struct og_anthropic_request *r, struct og_refusal *why)
{
	const json_t *stop = json_object_get(q, "stop_sequences");
	json_t *user = json_object_get(json_object_get(q, "metadata"), "user_id");
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)q, name, value)
	{
		if (!is_turned(name) && !json_is_null(value))
			json_object_set(r->body, name, value);
	}
	json_object_set_new(r->body, "model", json_string(r->model));
	if (json_array_size(stop))
		json_object_set(r->body, "stop", (json_t *)stop);
	if (json_is_string(user))
		json_object_set(r->body, "user", user);
	add_output(q, r->body);
	if (add_thinking(json_object_get(q, "thinking"), r->body, &r->hide_thinking, why) < 0 ||
		add_tools(json_object_get(q, "tools"), r->body, why) < 0 ||
		add_tool_choice(json_object_get(q, "tool_choice"), r->body, why) < 0)
		return -1;
	value = og_anthropic_messages(json_object_get(q, "system"), json_object_get(q, "messages"), why);
	if (!value)
		return -1;
	json_object_set_new(r->body, "messages", value);
	return 0;
}

int og_anthropic_request(const json_t *q, struct og_anthropic_request *ret, struct og_refusal *why)
{
	int64_t most = json_integer_value(json_object_get(q, "max_tokens"));

	*ret = (struct og_anthropic_request){.stream = json_is_true(json_object_get(q, "stream"))};
	if (check(q, why) < 0)
		return -1;
	strcpy(ret->model, text_at(q, "model"));
	ret->max_tokens = most > 0 ? most : 0;
	ret->body = json_object();
	if (fill(q, ret, why) == 0)
		return 0;
	og_anthropic_request_done(ret);
	return -1;
}

void og_anthropic_request_done(struct og_anthropic_request *r)
{
	json_decref(OG_TAKE(r->body));
}
