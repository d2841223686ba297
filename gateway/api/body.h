/* The body of a request as JSON. To parse a megabyte takes 10 ms to 100, in which nobody else's tokens would go out: what is large
 * is parsed in libuv's threads before its handler is called. */
#ifndef OG_API_BODY_H
#define OG_API_BODY_H

#include "api/api.h"

/* Calls `next`, now or when the body was parsed; never where that failed (the call is refused) or its client has gone. The call has
 * its caller already. */
void og_body_ready(struct og_api *api, struct og_web_call *c, og_handler *next);
/* What was parsed need not be kept as long as the call is. */
void og_body_forget(struct og_web_call *c);

#endif
