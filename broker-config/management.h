/* RabbitMQ's management API, as much of it as we need: JSON over HTTP with the administrator's credentials. */
#ifndef OG_BROKER_CONFIG_MANAGEMENT_H
#define OG_BROKER_CONFIG_MANAGEMENT_H

#include <jansson.h>

#include "model/settings.h"

struct og_management {
	const char *url; /* without a path; borrowed */
	struct og_credentials admin;
};

/* Takes the URL from the settings and the user from <secrets>/admin.credentials. `m` borrows from the settings. */
int og_management_open(const struct og_settings *s, struct og_management *m, struct og_error *err);

/* One request. `body` and `ret` may be NULL; *ret is NULL where the answer is empty, and else the caller's to
 * json_decref. RETRY: not reached, or broken off, for 5 s. FATAL: the administrator is refused, or this is no RabbitMQ.
 * INVALID: the broker refused the request, in its words; *ret_status (may be NULL) is set whenever an answer came. */
int og_management_call(const struct og_management *m, const char *method, const char *path, const json_t *body,
	json_t **ret, int *ret_status, struct og_error *err);

#endif
