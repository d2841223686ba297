/* Keeps processes: starts them, restarts them when they die (with backoff; one that ran for a minute starts afresh), stops them in
 * reverse order. What `og start` runs where systemd does not, and what the one systemd unit runs where it does.
 *
 * The services are files <root>/services/<nn>-<name>.ini: [service] command = …, env.NAME = …, ready = tcp:host:port | unix:path | none, stop_ms = …. Output goes to
 * <root>/logs/<name>.log, rotated at 8 MiB, one old file kept. */
#ifndef OG_SERVICE_SUPERVISOR_H
#define OG_SERVICE_SUPERVISOR_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

#include "base/error.h"

#define OG_SUPERVISED_MAX  64
#define OG_SUPERVISED_ARGS 32

struct og_supervised {
	char name[64];
	char *args[OG_SUPERVISED_ARGS + 1];
	char *env[OG_SUPERVISED_ARGS + 1]; /* added to our own */
	char ready[256];
	int64_t stop_ms;
};

int og_supervised_parse(const char *path, struct og_supervised *ret, struct og_error *err);
void og_supervised_done(struct og_supervised *s);

/* Runs until told to stop (signal, or "stop" on its control socket <root>/run/supervisor.sock). Exit status. */
int og_supervisor_run(const char *root, struct og_error *err);

#endif
