/* Who calls: finds it out, and hands the call on to its route. */
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "base/alloc.h"

const struct og_caller *og_api_caller(const struct og_web_call *c)
{
	static const struct og_caller nobody = {.tenant = "default"};
	const struct og_caller *caller = og_web_kept(c);

	return caller ? caller : &nobody;
}

static void hand_on(struct og_api *api, struct og_web_call *c, const struct og_caller *who)
{
	const struct og_api_route *route = og_web_more(c);

	og_web_note(c, "key", who->key_id);
	og_web_note(c, "tenant", who->tenant);
	og_web_keep(c, og_memdup(who, sizeof(*who)), free);
	route->handle(api, c);
}

void og_api_dispatch(void *ctx, struct og_web_call *c)
{
	struct og_api *api = ctx;
	const struct og_api_route *route = og_web_more(c);
	struct og_refusal why;

	if (route->need == OG_NEED_NOTHING) {
		route->handle(api, c);
		return;
	}
	if (api->settings->gateway_loopback_without_key && og_web_from_loopback(c)) {
		hand_on(api, c, &(struct og_caller){.tenant = "default", .admin = true});
		return;
	}
	og_refuse_with(&why, 401, "invalid_api_key", "a key is needed: send it as `Authorization: Bearer og-…`");
	og_refuse(c, &why);
}
