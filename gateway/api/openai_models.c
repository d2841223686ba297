/* GET /v1/models: the tiers that the cluster has, and their other names. */
#include <string.h>
#include <strings.h>

#include "api/openai.h"

static json_t *model_object(struct og_api *api, const char *id, const json_t *tier)
{
	return json_pack("{s:s, s:s, s:I, s:s, s:b}", "id", id, "object", "model", "created",
		(json_int_t)api->started_s, "owned_by", "opengateway", "ready",
		json_integer_value(json_object_get(tier, "workers")) > 0);
}

static bool is_called(const json_t *tier, const char *name)
{
	const json_t *alias;
	size_t i;

	json_array_foreach(json_object_get(tier, "aliases"), i, alias)
	{
		if (!strcasecmp(json_string_value(alias), name))
			return true;
	}
	return !strcasecmp(json_string_value(json_object_get(tier, "id")), name);
}

static json_t *one(struct og_api *api, struct og_web_call *c, const json_t *answer)
{
	struct og_refusal why;
	const json_t *tier;
	size_t i;

	json_array_foreach(json_object_get(answer, "tiers"), i, tier)
	{
		if (is_called(tier, og_web_part(c, 0)))
			return model_object(api, og_web_part(c, 0), tier);
	}
	og_refuse_with(&why, 404, "model_not_found", "there is no model '%.200s': GET /v1/models lists them",
		og_web_part(c, 0));
	why.param = "model";
	og_refuse(c, &why);
	return NULL;
}

static json_t *list(struct og_api *api, struct og_web_call *c, const json_t *answer)
{
	json_t *data = json_array();
	const json_t *tier, *alias;
	size_t i, k;

	(void)c;
	json_array_foreach(json_object_get(answer, "tiers"), i, tier)
	{
		json_array_append_new(data, model_object(api, json_string_value(json_object_get(tier, "id")), tier));
		json_array_foreach(json_object_get(tier, "aliases"), k, alias)
		{
			json_array_append_new(data, model_object(api, json_string_value(alias), tier));
		}
	}
	return json_pack("{s:s, s:o}", "object", "list", "data", data);
}

void og_openai_models(struct og_api *api, struct og_web_call *c)
{
	og_api_ask(api, c, "tiers", NULL, list);
}

void og_openai_model(struct og_api *api, struct og_web_call *c)
{
	og_api_ask(api, c, "tiers", NULL, one);
}
