/* What a daemon is: a loop, signals, readiness, drain, a control socket.
 *
 * SIGTERM or SIGINT, the first time: on_drain (stop taking work, finish what runs, then og_service_stop); the second
 * time, or when drain_ms have passed: on_stop at once. Readiness is told to systemd by sd_notify where NOTIFY_SOCKET
 * is set, with its watchdog where WATCHDOG_USEC is.
 *
 * The control socket is a unix socket (mode 0600): one JSON object a line in, one out. {"verb":"status"} is answered
 * by the service itself (name, pid, started_ms, ready, draining, status) with what on_status adds; other verbs go to
 * on_ask, which may answer later, and to on_control. What fails is answered {"error": {"type", "message"}}. A line is at
 * most 64 KiB. A socket left by a dead process is replaced; one of a living process is an error (INVALID: "already
 * runs"), which is how a worker started twice is refused. */
#ifndef OG_SERVICE_SERVICE_H
#define OG_SERVICE_SERVICE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/error.h"

struct og_service;

/* A request on the control socket that waits for its answer. It is answered exactly once, by one of these; that is
 * harmless where whoever asked has gone meanwhile, or the service has stopped. */
struct og_control_ask;
void og_control_answer(struct og_control_ask *ask, json_t *answer); /* takes the answer over */
void og_control_refuse(struct og_control_ask *ask, const struct og_error *why);

struct og_service_config {
	const char *name;            /* "og-worker" */
	const char *control_path;    /* NULL: no socket. At most 107 bytes: a longer one is an INVALID that says so */
	int64_t drain_ms;            /* 0: no drain, a signal stops at once */
	void (*on_drain)(void *ctx); /* NULL: likewise */
	void (*on_stop)(void *ctx);  /* close everything; the loop ends when nothing is left on it */
	/* Adds keys; may be NULL. */
	void (*on_status)(void *ctx, json_t *status);
	/* Fills `answer`, or fails; may be NULL: there are no verbs but status. */
	int (*on_control)(void *ctx, const char *verb, const json_t *request, json_t *answer, struct og_error *err);
	/* Asked before on_control; may be NULL. False: not one of its verbs. True: `ask` is to be answered, now or later, and
	 * the same connection asks nothing else until then. `request` is borrowed for the call. */
	bool (*on_ask)(void *ctx, const char *verb, const json_t *request, struct og_control_ask *ask);
	void *ctx;
};

/* Copies the config. On failure nothing is left on the loop. */
int og_service_start(
	uv_loop_t *loop, const struct og_service_config *config, struct og_service **ret, struct og_error *err);
void og_service_ready(struct og_service *s, const char *status); /* may be called again with a new status text */
void og_service_not_ready(struct og_service *s, const char *status);
void og_service_drain(struct og_service *s); /* as SIGTERM does */
void og_service_stop(struct og_service *s);  /* calls on_stop once, removes the socket */
void og_service_free(struct og_service *s);  /* after the loop has ended */

/* The other end, for `og`: sends one object, waits for one. The answer is the caller's (json_decref), also when it
 * holds an "error". RETRY: nobody listens there (any more). BUSY: somebody does, but gave no answer in time, or went
 * away without one; what was asked may still be done. INVALID: the request is none, or the path is too long. FATAL: the answer is none. */
int og_control_call(const char *path, const json_t *request, int64_t timeout_ms, json_t **ret, struct og_error *err);

/* Opens a broker connection as `role` says, from the settings and its credentials file. A helper for every main. */
struct og_settings;
struct og_amqp;
struct og_amqp_events;
int og_service_amqp(uv_loop_t *loop, const struct og_settings *settings, const char *role, const char *name,
	bool republish, const struct og_amqp_events *events, struct og_amqp **ret, struct og_error *err);

#endif
