/* What the supervisor keeps running: the services of a root and the state of each. supervisor.c is the daemon around
 * it. */
#ifndef OG_SERVICE_KEEPER_H
#define OG_SERVICE_KEEPER_H

#include <jansson.h>
#include <stdbool.h>
#include <uv.h>

#include "base/error.h"

struct og_keeper;

struct og_keeper_events {
	void (*on_change)(void *ctx);  /* og_keeper_ready may say something else now */
	void (*on_stopped)(void *ctx); /* after og_keeper_stop: nothing runs any more */
	void *ctx;
};

/* `root` as realpath gives it. Nothing is started before the first og_keeper_load. */
struct og_keeper *og_keeper_new(uv_loop_t *loop, const char *root, const struct og_keeper_events *events);

/* Reads <root>/services and makes what runs be what is written there. All or nothing: on failure nothing has changed.
 * `ret` (may be NULL): an object that gets the lists "started", "stopped", "restarted". */
int og_keeper_load(struct og_keeper *k, json_t *ret, struct og_error *err);
int og_keeper_restart(struct og_keeper *k, const char *name, struct og_error *err); /* NULL: all, in order */
void og_keeper_stop(struct og_keeper *k);                                           /* in reverse order */
/* Closes all handles; what still runs is killed. */
void og_keeper_close(struct og_keeper *k);
void og_keeper_free(struct og_keeper *k); /* after the loop has ended */

/* Whether all services are ready; else *ret_waiting_for is the first that is not. */
bool og_keeper_ready(const struct og_keeper *k, const char **ret_waiting_for);
json_t *og_keeper_status(const struct og_keeper *k); /* an array, the caller's */

#endif
