/* What an Ollama says of itself, and what this one is not for. */
#include <string.h>

#include "api/ollama.h"

/* Clients ask for a version before they use what came with it: this is the one whose API is spoken here. */
#define SPEAKS "0.14.0"

void og_ollama_running(struct og_api *api, struct og_web_call *c)
{
	static const char text[] = "Ollama is running";

	(void)api;
	og_web_reply(c, 200, "text/plain; charset=utf-8", text, strlen(text));
}

void og_ollama_version(struct og_api *api, struct og_web_call *c)
{
	(void)api;
	og_api_reply_json(c, 200, json_pack("{s:s, s:s}", "version", SPEAKS, "opengateway", OG_VERSION));
}

/* Models are files on nodes and rows of the catalogue, which their operators look after. */
void og_ollama_not_from_here(struct og_api *api, struct og_web_call *c)
{
	struct og_refusal why;

	(void)api;
	og_refuse_with(&why, 501, "not_implemented",
		"%s: models are not made, copied or deleted through the gateway. What the cluster serves is in its "
		"catalogue, and is served where an og-worker runs for it: ask its operators",
		og_web_path(c));
	og_refuse(c, &why);
}

void og_ollama_cannot_push(struct og_api *api, struct og_web_call *c)
{
	struct og_refusal why;

	(void)api;
	og_refuse_with(&why, 501, "not_implemented",
		"%s: the cluster's models are on its nodes, and are not published from here", og_web_path(c));
	og_refuse(c, &why);
}
