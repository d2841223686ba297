/* The gateway's parts, put together: the line to the cluster, the HTTP server, what is answered. It has no state of its
 * own: any number of them may run side by side, and any may be killed. */
#ifndef OG_GATEWAY_H
#define OG_GATEWAY_H

#include <jansson.h>

#include "api/api.h"

struct og_gateway;

struct og_gateway_config {
	const struct og_settings *settings;
	const struct og_catalogue *catalogue;
	const struct og_credentials *credentials; /* of the role, for the broker and the store */
	/* The broker is reached, or is not any more. */
	void (*on_state)(void *ctx, bool ready, const char *text);
	void (*on_refused)(void *ctx, const struct og_error *why); /* see og_link_config */
	void (*on_drained)(void *ctx);                             /* after og_gateway_drain: nothing is under way */
	/* The store is new, and its first key was made; secret NULL: it could not be kept in <secrets>/gateway.key. */
	void (*on_first_key)(void *ctx, const char *secret, const char *path, const struct og_error *err);
	void *ctx;
};

/* `config`'s pointers are borrowed. -1: what was opened is being closed, on the loop. */
int og_gateway_start(
	uv_loop_t *loop, const struct og_gateway_config *config, struct og_gateway **ret, struct og_error *err);
int og_gateway_port(const struct og_gateway *g);
void og_gateway_status(struct og_gateway *g, json_t *status);
/* What operators ask on the control socket; false: it is none of ours (service.h, on_ask). */
bool og_gateway_ask(struct og_gateway *g, const char *verb, const json_t *request, struct og_control_ask *ask);
void og_gateway_drain(struct og_gateway *g); /* takes no more; what is under way ends */
void og_gateway_stop(struct og_gateway *g);  /* closes everything; the loop ends when nothing is left on it */
void og_gateway_free(struct og_gateway *g);  /* after the loop has ended; NULL: nothing */

#endif
