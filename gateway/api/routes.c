/* Every path of the gateway. A new one is a row here and a function. */
#include "api/anthropic.h"
#include "api/health.h"
#include "api/ollama.h"
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
	{"POST", "/v1/embeddings", og_openai_embeddings, OG_NEED_KEY},
	{"POST", "/v1/responses", og_openai_responses, OG_NEED_KEY},
	{"GET", "/v1/responses/{}", og_openai_response, OG_NEED_KEY},
	{"DELETE", "/v1/responses/{}", og_openai_response_delete, OG_NEED_KEY},
	{"POST", "/v1/responses/{}/cancel", og_openai_response_cancel, OG_NEED_KEY},
	{"GET", "/v1/responses/{}/input_items", og_openai_response_items, OG_NEED_KEY},
	{"POST", "/v1/files", og_openai_file_upload, OG_NEED_KEY_FORM},
	{"GET", "/v1/files", og_openai_files, OG_NEED_KEY},
	{"GET", "/v1/files/{}", og_openai_file, OG_NEED_KEY},
	{"DELETE", "/v1/files/{}", og_openai_file_delete, OG_NEED_KEY},
	{"GET", "/v1/files/{}/content", og_openai_file_content, OG_NEED_KEY},

	{"POST", "/v1/messages", og_anthropic_messages_create, OG_NEED_KEY},
	{"POST", "/v1/messages/count_tokens", og_anthropic_count_tokens, OG_NEED_KEY},

	{"GET", "/", og_ollama_running, OG_NEED_NOTHING},
	{"GET", "/api/version", og_ollama_version, OG_NEED_NOTHING},
	{"GET", "/api/tags", og_ollama_tags, OG_NEED_KEY},
	{"GET", "/api/ps", og_ollama_ps, OG_NEED_KEY},
	{"POST", "/api/show", og_ollama_show, OG_NEED_KEY},
	{"POST", "/api/pull", og_ollama_pull, OG_NEED_KEY},
	{"POST", "/api/chat", og_ollama_chat, OG_NEED_KEY},
	{"POST", "/api/generate", og_ollama_generate, OG_NEED_KEY},
	{"POST", "/api/embed", og_ollama_embed, OG_NEED_KEY},
	{"POST", "/api/embeddings", og_ollama_embeddings_legacy, OG_NEED_KEY},
	{"POST", "/api/create", og_ollama_not_from_here, OG_NEED_KEY},
	{"POST", "/api/copy", og_ollama_not_from_here, OG_NEED_KEY},
	{"DELETE", "/api/delete", og_ollama_not_from_here, OG_NEED_KEY},
	{"POST", "/api/blobs/{}", og_ollama_not_from_here, OG_NEED_KEY},
	{"POST", "/api/push", og_ollama_cannot_push, OG_NEED_KEY},
};
const size_t og_api_n_routes = OG_COUNT(og_api_routes);
