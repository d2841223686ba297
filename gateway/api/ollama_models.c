/* GET /api/tags and /api/ps, POST /api/show and /api/pull: the cluster's tiers, as far as the caller may use them, as Ollama's
 * models. Listed is what somebody serves; the rest of the catalogue can be shown, and pulling it says what is missing. */
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "api/models.h"
#include "api/ollama.h"
#include "api/ollama/events.h"
#include "api/ollama/request.h"
#include "api/tiers.h"
#include "base/alloc.h"
#include "model/json.h"

#define GIB 1073741824.0

static const char *id_of(const json_t *tier)
{
	return json_string_value(json_object_get(tier, "id"));
}

static json_t *bytes_of(const json_t *tier, const char *key)
{
	return json_integer((json_int_t)(json_number_value(json_object_get(tier, key)) * GIB));
}

/* Clients print the first digits of a model's digest, and compare digests to see whether it is another one: it is that
 * of the tier's id, no checksum of a file. */
static json_t *digest_of(const json_t *tier)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	char hex[2 * EVP_MAX_MD_SIZE + 1] = "";
	unsigned len = 0;

	EVP_Digest(id_of(tier), strlen(id_of(tier)), digest, &len, EVP_sha256(), NULL);
	for (unsigned i = 0; i < len; i++)
		snprintf(hex + 2 * i, 3, "%02x", digest[i]);
	return json_string(hex);
}

/* Of the file itself, its family and its quantization, only its node knows. */
static json_t *details(void)
{
	return json_pack("{s:s, s:s, s:s, s:n, s:s, s:s}", "parent_model", "", "format", "", "family", "opengateway",
		"families", "parameter_size", "", "quantization_level", "");
}

/* A name with its tag: clients that were told "smol" go on to look for "smol:latest" in the list. */
static json_t *with_tag(const char *name)
{
	char full[OG_NAME_MAX + 8];

	snprintf(full, sizeof(full), "%s%s", name, strchr(name, ':') ? "" : ":latest");
	return json_string(full);
}

static json_t *model_of(const json_t *tier, const char *name)
{
	json_t *full = with_tag(name);

	return json_pack("{s:O, s:o, s:o, s:o, s:o}", "name", full, "model", full, "size", bytes_of(tier, "disk_gib"),
		"digest", digest_of(tier), "details", details());
}

static json_t *listed(const json_t *tier, const char *name, int64_t since_s)
{
	json_t *model = model_of(tier, name);
	char at[OG_OLLAMA_TIME_MAX];

	json_object_set_new(model, "modified_at", json_string(og_ollama_time(since_s * 1000, at)));
	return model;
}

static json_t *tags(struct og_api *api, struct og_web_call *c, const json_t *answer)
{
	json_t *models = json_array(), *tiers = og_models_list(api, c, answer, false);
	const json_t *tier, *alias;
	size_t i, k;

	json_array_foreach(tiers, i, tier)
	{
		json_array_append_new(models, listed(tier, id_of(tier), api->started_s));
		json_array_foreach(json_object_get(tier, "aliases"), k, alias)
		{
			json_array_append_new(models, listed(tier, json_string_value(alias), api->started_s));
		}
	}
	json_decref(tiers);
	return json_pack("{s:o}", "models", models);
}

void og_ollama_tags(struct og_api *api, struct og_web_call *c)
{
	og_api_ask(api, c, "tiers", NULL, tags);
}

static json_t *ps(struct og_api *api, struct og_web_call *c, const json_t *answer)
{
	json_t *models = json_array(), *tiers = og_models_list(api, c, answer, false), *model;
	const json_t *tier;
	size_t i;

	json_array_foreach(tiers, i, tier)
	{
		model = model_of(tier, id_of(tier));
		json_object_set_new(model, "size_vram", bytes_of(tier, "vram_gib"));
		json_object_set_new(model, "expires_at", json_string("9999-12-31T23:59:59Z")); /* it stays */
		json_array_append_new(models, model);
	}
	json_decref(tiers);
	return json_pack("{s:o}", "models", models);
}

void og_ollama_ps(struct og_api *api, struct og_web_call *c)
{
	og_api_ask(api, c, "tiers", NULL, ps);
}

/* ── of one model ── */

/* The tier that the request names; NULL: it was refused. */
static const json_t *asked_for(
	struct og_api *api, struct og_web_call *c, const json_t *answer, char ret_name[static OG_NAME_MAX])
{
	json_t *q = og_api_json_body(c);
	const json_t *tier = NULL;
	struct og_refusal why;

	if (!q)
		return NULL;
	if (og_ollama_model(q, ret_name, &why) == 0) {
		tier = og_models_find(api, c, answer, ret_name);
		if (!tier)
			og_refuse_with(&why, 404, "model_not_found",
				"model '%.200s' not found: the cluster's catalogue has no such tier. GET /api/tags "
				"lists what it "
				"serves; operators add tiers to catalogue.ini",
				ret_name);
	}
	if (!tier)
		og_refuse(c, &why);
	json_decref(q);
	return tier;
}

/* What the catalogue says of it, and no more: an editor's agent asks a model that claims tools to use them. */
static json_t *capabilities_of(const struct og_api *api, const json_t *tier)
{
	const struct og_tier *t = og_catalogue_find(api->catalogue, id_of(tier));
	json_t *list = json_pack("[s]", "completion");

	for (unsigned i = 0; t && i < OG_CAPABILITIES_N; i++)
		if (t->capabilities & 1u << i)
			json_array_append_new(list, json_string(og_capabilities[i]));
	return list;
}

static json_t *show(struct og_api *api, struct og_web_call *c, const json_t *answer)
{
	char name[OG_NAME_MAX];
	const json_t *tier = asked_for(api, c, answer, name);
	char at[OG_OLLAMA_TIME_MAX];

	if (!tier)
		return NULL;
	return json_pack("{s:s, s:s, s:s, s:o, s:{s:s, s:s}, s:o, s:s}", "modelfile", "", "parameters", "", "template",
		"", "details", details(), "model_info", "general.architecture", "opengateway", "general.basename",
		id_of(tier), "capabilities", capabilities_of(api, tier), "modified_at",
		og_ollama_time(api->started_s * 1000, at));
}

void og_ollama_show(struct og_api *api, struct og_web_call *c)
{
	og_api_ask(api, c, "tiers", NULL, show);
}

static bool wants_stream(struct og_web_call *c)
{
	json_t *q = og_api_json_body(c);
	bool yes = !json_is_false(json_object_get(q, "stream"));

	json_decref(q);
	return yes;
}

/* Nothing is fetched for a client: which node serves what is its operators' decision. So a pull is a question. */
static json_t *pull(struct og_api *api, struct og_web_call *c, const json_t *answer)
{
	static const char stream[] = "{\"status\":\"pulling manifest\"}\n{\"status\":\"success\"}\n";
	char name[OG_NAME_MAX];
	const json_t *tier = asked_for(api, c, answer, name);
	struct og_refusal why;

	if (!tier)
		return NULL;
	if (!og_tiers_is_served(tier)) {
		og_refuse_with(&why, 409, "not_served",
			"no node serves '%.200s' now, and a pull does not make one do so: start an og-worker for the "
			"tier "
			"%.100s on a node that has room for it (og eligible), or ask the cluster's operators",
			name, id_of(tier));
		og_refuse(c, &why);
	} else if (wants_stream(c)) {
		og_web_reply(c, 200, "application/x-ndjson", stream, strlen(stream));
	} else {
		return json_pack("{s:s}", "status", "success");
	}
	return NULL;
}

void og_ollama_pull(struct og_api *api, struct og_web_call *c)
{
	og_api_ask(api, c, "tiers", NULL, pull);
}
