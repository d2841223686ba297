/* Every path of the gateway. A new one is a row here and a function. */
#include "api/health.h"
#include "api/openai.h"
#include "base/alloc.h"

const struct og_api_route og_api_routes[] = {
	{"GET", "/healthz", og_healthz, OG_NEED_NOTHING},
	{"GET", "/readyz", og_readyz, OG_NEED_NOTHING},
	{"GET", "/metrics", og_metrics_page, OG_NEED_NOTHING},

	{"GET", "/v1/models", og_openai_models, OG_NEED_KEY},
	{"GET", "/v1/models/{*}", og_openai_model, OG_NEED_KEY},
	{"POST", "/v1/chat/completions", og_openai_chat, OG_NEED_KEY},
	{"POST", "/v1/completions", og_openai_completions, OG_NEED_KEY},
	{"POST", "/v1/responses", og_openai_responses, OG_NEED_KEY},
};
const size_t og_api_n_routes = OG_COUNT(og_api_routes);
