/* Keeps processes: starts them, restarts them when they die (with backoff; one that ran for a minute starts afresh),
 * stops them in reverse order. What `og start` runs where systemd does not, and what the one systemd unit runs where
 * it does.
 *
 * The services are files <root>/services/<nn>-<name>.ini, started in the order of their names; each waits until the
 * one before it is ready (for a minute; then it is started all the same):
 *
 *   [service]
 *   command = /usr/bin/redis-server "/some folder/redis.conf"   ; "…" holds blanks, \ takes the next character as it is
 *   env.NAME = value                                            ; added to our own environment
 *   ready = unix:/some/path                                     ; or tcp:ADDRESS:PORT, or none (the default)
 *   stop_ms = 10000                                             ; from SIGTERM to SIGKILL
 *
 * Output goes to <root>/logs/<name>.log, rotated at 8 MiB, one old file kept. A service runs in the root as its
 * working folder, with OPENGATEWAY_POC_ROOT set, and in a process group of its own: what it leaves behind when it ends
 * is ended with it.
 *
 * Verbs of the control socket <root>/run/supervisor.sock:
 *   {"verb":"status"}  also answers "services": [{"name", "state", "pid", "started_ms", "restarts", "in_a_row",
 *                      "exit"}], state one of waiting, starting, ready, backoff, stopping, stopped; in_a_row counts the
 *                      restarts since it last ran for a minute; "ready" is true when all services are
 *   {"verb":"stop"}    answers at once; all has ended when the socket is gone
 *   {"verb":"restart","name":…}  without a name all of them
 *   {"verb":"reload"}  reads the files again: starts what is new, stops what is gone, restarts what reads differently,
 *                      leaves the others alone; answers {"started", "stopped", "restarted"}, lists of names */
#ifndef OG_SERVICE_SUPERVISOR_H
#define OG_SERVICE_SUPERVISOR_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* So long one that starts may end what an earlier one left, and answers nobody (after that it kills, within two seconds). */
#define OG_SUPERVISOR_ORPHANS_MS 15000

#define OG_SUPERVISED_MAX  64
#define OG_SUPERVISED_ARGS 32

struct og_supervised {
	char name[64];
	char *args[OG_SUPERVISED_ARGS + 1]; /* NULL-terminated, owned; so is env */
	char *env[OG_SUPERVISED_ARGS + 1];  /* "NAME=value" */
	char ready[256];                    /* "" for none */
	int64_t stop_ms;
};

/* INVALID names file, line and key. */
int og_supervised_parse(const char *path, struct og_supervised *ret, struct og_error *err);
void og_supervised_done(struct og_supervised *s);

/* Runs until told to stop (signal, or "stop" on its control socket); what an earlier supervisor of this root left
 * running is ended first. 0: stopped in order. -1: could not start; INVALID: "already runs", or a service file with a
 * mistake. */
int og_supervisor_run(const char *root, struct og_error *err);

#endif
