/* What a message and the count of its tokens begin with: the same request. */
#ifndef OG_API_ANTHROPIC_BEGIN_H
#define OG_API_ANTHROPIC_BEGIN_H

#include "api/anthropic/request.h"
#include "api/prompt.h"

/* Reads the call's request, and has `start` send it: `request` has the envelope that its headers make, its model and its body.
 * What cannot be read is refused. */
void og_anthropic_begin(struct og_api *api, struct og_web_call *c,
	void (*start)(struct og_api *api, struct og_web_call *c, const struct og_anthropic_request *r,
		struct og_prompt_request *request));

#endif
