/* What og-scheduler and og-gateway have in common, of which a cluster runs as many as it likes: the options, what is read before
 * the start, the control socket <root>/run/<role>-<name>.sock, the loop, the exit status. A program's main is its kind, and
 * a struct that begins with a `struct og_daemon`.
 *
 *     options ── settings, log, credentials, catalogue ── load ── control socket ── start ── the loop, until the service stops
 */
#ifndef OG_SERVICE_DAEMON_H
#define OG_SERVICE_DAEMON_H

#include "model/catalogue.h"
#include "model/settings.h"
#include "service/service.h"

struct og_daemon_kind;

struct og_daemon {
	const struct og_daemon_kind *kind;
	uv_loop_t loop;
	struct og_settings settings;
	struct og_credentials credentials;
	struct og_catalogue *catalogue;
	struct og_service *service;
	int status; /* what main returns */
};

struct og_daemon_kind {
	const char *name;  /* "og-gateway" */
	const char *role;  /* "gateway": whose credentials it has, and what its socket's name begins with */
	const char *about; /* of --help, before the options and behind them: whole lines */
	const char *notes;
	/* What else is read before the start; may be NULL. It may change the settings. */
	int (*load)(struct og_daemon *d, struct og_error *err);
	/* Sets the drain and the callbacks; `ctx` is `d`, and name and path are made. */
	void (*serve)(struct og_daemon *d, struct og_service_config *service);
	/* On a failure the service is stopped: on_stop is called, and the loop ends. */
	int (*start)(struct og_daemon *d, struct og_error *err);
	void (*free)(struct og_daemon *d); /* the program's own; the loop has ended, or never ran */
};

/* `d` is zero at first. Returns the exit status: 0 stopped as told, 1 it failed, 2 wrong usage. */
int og_daemon_main(struct og_daemon *d, const struct og_daemon_kind *kind, int argc, char **argv);

/* What its part tells, as callbacks whose `ctx` is the daemon: it is ready or not, as `text` says; it has ended what it ran; the
 * broker will not have it, which is logged with a hint, and the program ends with 1. */
void og_daemon_state(void *daemon, bool ready, const char *text);
void og_daemon_drained(void *daemon);
void og_daemon_refused(void *daemon, const struct og_error *why);

/* The settings, and the log as they want it. For every main. */
int og_daemon_settings(
	const char *name, const char *file, const char *const *sets, struct og_settings *ret, struct og_error *err);

#endif
