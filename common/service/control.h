/* The server side of a control socket: a unix socket of mode 0600, one JSON object a line in, one out. */
#ifndef OG_SERVICE_CONTROL_H
#define OG_SERVICE_CONTROL_H

#include <jansson.h>
#include <uv.h>

#include "base/error.h"

struct og_control;

/* Fills `answer`, or fails: the caller is told {"error": {"type", "message"}}. */
typedef int og_control_cb(void *ctx, const char *verb, const json_t *request, json_t *answer, struct og_error *err);

/* INVALID: the path is too long for a socket, or a living process has it ("… already runs"). */
int og_control_listen(
	uv_loop_t *loop, const char *path, og_control_cb *cb, void *ctx, struct og_control **ret, struct og_error *err);
/* Removes the socket; may be called from the callback, whose answer still goes out. Frees itself on the loop. NULL is
 * fine. */
void og_control_close(struct og_control *c);

#endif
