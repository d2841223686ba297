#include "api/anthropic_begin.h"

#include <string.h>

#include "base/alloc.h"

void og_anthropic_begin(struct og_api *api, struct og_web_call *c,
	void (*start)(struct og_api *api, struct og_web_call *c, const struct og_anthropic_request *r,
		struct og_prompt_request *request))
{
	json_t *q = og_api_json_body(c);
	struct og_prompt_request request = {0};
	struct og_anthropic_request r;
	og_autofree char *text = NULL;
	char id[OG_ID_LEN + 1];
	struct og_refusal why;

	if (!q)
		return;
	if (og_anthropic_request(q, &r, &why) < 0) {
		og_refuse(c, &why);
		json_decref(q);
		return;
	}
	if (og_prompt_envelope(c, id, &request.e, &why) < 0) {
		og_refuse(c, &why);
	} else {
		request.e.model = r.model;
		request.body = text = json_dumps(r.body, JSON_COMPACT);
		request.len = strlen(text);
		start(api, c, &r, &request);
	}
	og_anthropic_request_done(&r);
	json_decref(q);
}
