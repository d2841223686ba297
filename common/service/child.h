/* One running process of a supervised service. */
#ifndef OG_SERVICE_CHILD_H
#define OG_SERVICE_CHILD_H

#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

#include "service/supervisor.h"

struct og_child;

/* How it ended: an exit status, or the signal that killed it (else 0). The child is gone then. */
typedef void og_child_cb(void *ctx, int64_t status, int signal);

/* Runs `s` in `root`, in a process group of its own, its output appended to `log`. */
int og_child_start(uv_loop_t *loop, const struct og_supervised *s, const char *root, const char *log, og_child_cb *cb,
	void *ctx, struct og_child **ret, struct og_error *err);
pid_t og_child_pid(const struct og_child *c);
void og_child_terminate(
	const struct og_child *c);            /* SIGTERM to the process: it knows what to do with those it started */
void og_child_kill(const struct og_child *c); /* SIGKILL to its whole group */

#endif
