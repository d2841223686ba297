/* The server side of a control socket: a unix socket of mode 0600, one JSON object a line in, one out. */
#ifndef OG_SERVICE_CONTROL_H
#define OG_SERVICE_CONTROL_H

#include <jansson.h>
#include <uv.h>

#include "service/service.h"

struct og_control;

/* To be answered by og_control_answer or og_control_refuse (service.h), once, now or later. */
typedef void og_control_cb(void *ctx, const char *verb, const json_t *request, struct og_control_ask *ask);

/* INVALID: the path is too long for a socket, or a living process has it ("… already runs"). */
int og_control_listen(
	uv_loop_t *loop, const char *path, og_control_cb *cb, void *ctx, struct og_control **ret, struct og_error *err);
/* Removes the socket; may be called from the callback, whose answer still goes out where it gives it at once. Frees itself
 * on the loop. NULL is fine. */
void og_control_close(struct og_control *c);

#endif
