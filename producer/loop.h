/* The loop of one conversation with the cluster, which ends within a bound.
 *
 * What closes takes its time: the broker is told goodbye. But a name that is being resolved cannot be called back: getaddrinfo
 * returns when the resolver's own time-outs are over, tens of seconds after the user was told that there is no connection.
 * Then the loop is left as it is, with what is on it, and the process ends without waiting for that thread. */
#ifndef OG_LOOP_H
#define OG_LOOP_H

#include <stdbool.h>
#include <uv.h>

#define OG_LOOP_CLOSE_MS 2000

uv_loop_t *og_loop_new(void);
/* Runs until all has closed: `open` counts what has not. `over` says that closing has begun; from then on the bound counts. */
void og_loop_run(uv_loop_t *loop, const bool *over, const unsigned *open);
void og_loop_free(uv_loop_t *loop); /* one that was left stays as it is: a thread may still report to it */

/* Ends the process with `status` if a loop was left: an exit would wait for libuv's threads. Else returns. */
void og_loop_exit_if_left(int status);

#endif
