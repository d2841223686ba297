#include "api/tiers.h"

#include "model/catalogue.h"

static bool is_called(const json_t *tier, const char *name)
{
	const json_t *alias;
	size_t i;

	json_array_foreach(json_object_get(tier, "aliases"), i, alias)
	{
		if (og_model_same(json_string_value(alias), name))
			return true;
	}
	return og_model_same(json_string_value(json_object_get(tier, "id")), name);
}

const json_t *og_tiers_find(const json_t *answer, const char *name)
{
	const json_t *tier;
	size_t i;

	json_array_foreach(json_object_get(answer, "tiers"), i, tier)
	{
		if (is_called(tier, name))
			return tier;
	}
	return NULL;
}

bool og_tiers_is_served(const json_t *tier)
{
	return json_integer_value(json_object_get(tier, "workers")) > 0;
}
