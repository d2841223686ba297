/* This machine's part: the supervisor that keeps its services, and which of them make it a member of a cluster. */
#ifndef OG_NODE_H
#define OG_NODE_H

#include <jansson.h>
#include <stdint.h>

#include "base/error.h"
#include "model/job.h"
#include "model/settings.h"
#include "service/supervisor.h"

#define OG_NODE_CALL_MS  3000
#define OG_NODE_UP_MS    (OG_SUPERVISOR_ORPHANS_MS + 10000) /* a supervisor that starts answers by then */
#define OG_NODE_READY_MS 90000                              /* a broker on a slow machine takes its time */

char *og_node_socket(const struct og_settings *s); /* of the supervisor; the caller's */

/* One verb to the supervisor. RETRY: it does not run. INVALID: it refused, in its own words. BUSY: it refuses only now, or it
 * runs and did not answer in time. */
int og_node_call(const struct og_settings *s, const char *verb, int64_t timeout_ms, json_t **ret, struct og_error *err);
/* Likewise, but again while that is BUSY, for OG_NODE_UP_MS: one that has just been started may be busy with what an earlier
 * one left. */
int og_node_call_patiently(const struct og_settings *s, const char *verb, json_t **ret, struct og_error *err);
enum og_exit og_node_exit(const struct og_error *err); /* what a verb exits with after a call that failed */

/* Waits until all services are ready, or one of them died again and again, or the time is over: then RETRY, which
 * names it and its log. `on_wait` is told what is waited for; may be NULL. */
int og_node_wait_ready(const struct og_settings *s, int64_t within_ms, void (*on_wait)(void *ctx, const char *service),
	void *ctx, struct og_error *err);

/* The services, of those in `services` (of the supervisor's status), that run a program of ours and were started before <root>/config.ini
 * or the catalogue was last written, ", " between; "" where none does. The caller frees. */
char *og_node_outdated(const struct og_settings *s, const json_t *services);

#endif
