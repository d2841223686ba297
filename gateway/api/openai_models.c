/* GET /v1/models: what the caller can ask for now, by all names. Clients offer their users what is listed. */
#include "api/models.h"
#include "api/openai.h"
#include "api/tiers.h"
#include "base/parse.h"

static json_t *model_object(struct og_api *api, const char *id, const json_t *tier)
{
	return json_pack("{s:s, s:s, s:I, s:s, s:b}", "id", id, "object", "model", "created",
		(json_int_t)api->started_s, "owned_by", "opengateway", "ready", og_tiers_is_served(tier));
}

static json_t *one(struct og_api *api, struct og_web_call *c, const json_t *answer)
{
	const json_t *tier = og_models_find(api, c, answer, og_web_part(c, 0));
	struct og_refusal why;

	if (tier)
		return model_object(api, og_web_part(c, 0), tier);
	og_refuse_with(&why, 404, "model_not_found", "there is no model '%.200s': GET /v1/models lists them",
		og_web_part(c, 0));
	why.param = "model";
	og_refuse(c, &why);
	return NULL;
}

static json_t *objects_of(struct og_api *api, const json_t *tiers)
{
	json_t *data = json_array();
	const json_t *tier, *alias;
	size_t i, k;

	json_array_foreach(tiers, i, tier)
	{
		json_array_append_new(data, model_object(api, json_string_value(json_object_get(tier, "id")), tier));
		json_array_foreach(json_object_get(tier, "aliases"), k, alias)
		{
			json_array_append_new(data, model_object(api, json_string_value(alias), tier));
		}
	}
	return data;
}

static json_t *list(struct og_api *api, struct og_web_call *c, const json_t *answer)
{
	const char *text = og_web_query(c, "all");
	struct og_refusal why;
	struct og_error err;
	bool all = false;
	json_t *tiers, *data;

	if (text && og_parse_bool(text, &all, &err) < 0) {
		og_refuse_with(&why, 400, "invalid_request", "all: %s", err.message);
		why.param = "all";
		og_refuse(c, &why);
		return NULL;
	}
	tiers = og_models_list(api, c, answer, all);
	data = objects_of(api, tiers);
	json_decref(tiers);
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
