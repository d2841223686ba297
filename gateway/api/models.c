#include "api/models.h"

#include "api/bill.h"
#include "api/tiers.h"

static bool may(const struct og_api *api, const struct og_web_call *c, const json_t *tier)
{
	return og_bill_may_model(api, og_api_caller(c), json_string_value(json_object_get(tier, "id")));
}

json_t *og_models_list(const struct og_api *api, const struct og_web_call *c, const json_t *answer, bool all)
{
	json_t *list = json_array(), *tier;
	size_t i;

	json_array_foreach(json_object_get(answer, "tiers"), i, tier)
	{
		if ((all || og_tiers_is_served(tier)) && may(api, c, tier))
			json_array_append(list, tier);
	}
	return list;
}

const json_t *og_models_find(
	const struct og_api *api, const struct og_web_call *c, const json_t *answer, const char *name)
{
	const json_t *tier = og_tiers_find(answer, name);

	return tier && may(api, c, tier) ? tier : NULL;
}
