/* The worker: a node's presence in the cluster and, where it serves, one tier of it.
 *
 * Two broker connections, because a broker that has too much to do stops reading from those who publish: `in` reads
 * work and control and acks, `out` publishes. Work is consumed only while the engine really serves the model
 * (serving.h).
 *
 *   open ──▶ [in and out up: "Joined cluster X"] ──▶ consume while serving ──▶ drain ──▶ leave ──▶ closed */
#ifndef OG_WORKER_WORKER_H
#define OG_WORKER_WORKER_H

#include <jansson.h>
#include <uv.h>

#include "base/error.h"
#include "model/catalogue.h"
#include "model/profile.h"
#include "model/settings.h"

struct og_service;
struct og_worker;

struct og_worker_config { /* lives as long as the worker */
	const struct og_settings *settings;
	const struct og_node_id *node;
	const struct og_credentials *credentials;
	const struct og_catalogue *catalogue;
	const struct og_profile *profile; /* NULL where settings->serve is false */
	long instance;                    /* the n of "<node>/<tier>/<n>" */
};

struct og_worker *og_worker_new(const struct og_worker_config *config);
void og_worker_free(struct og_worker *w); /* when the loop has ended */

/* Opens everything; -1: nothing is open. */
int og_worker_start(struct og_worker *w, uv_loop_t *loop, struct og_service *service, struct og_error *err);

/* For struct og_service_config; ctx is the worker. */
void og_worker_drain(void *ctx);
void og_worker_stop(void *ctx);
void og_worker_status(void *ctx, json_t *status);

#endif
