/* One service that is kept running.
 *
 *                 the one before is settled           its probe answers
 *      WAITING ──────────────────────────▶ STARTING ───────────────────▶ READY
 *         ▲                                 ▲    │ died                     │ died
 *         │ restart                         │    ▼                          │
 *      STOPPED ◀── exit ── STOPPING         BACKOFF ◀───────────────────────┘
 *                            ▲
 *                            └── stop, from any of the above
 *
 * Settled: it was ready once, or has had its minute. */
#ifndef OG_SERVICE_KEPT_H
#define OG_SERVICE_KEPT_H

#include <jansson.h>
#include <stdbool.h>
#include <uv.h>

#include "base/backoff.h"
#include "service/supervisor.h"

enum og_kept_state {
	OG_KEPT_WAITING,
	OG_KEPT_STARTING,
	OG_KEPT_READY,
	OG_KEPT_BACKOFF,
	OG_KEPT_STOPPING,
	OG_KEPT_STOPPED,
};

struct og_kept;

struct og_kept_events {
	void (*on_change)(void *ctx);                        /* of the state */
	void (*on_settled)(void *ctx);                       /* those that wait for it may start */
	void (*on_stopped)(void *ctx, struct og_kept *kept); /* it may be forgotten here, or made to wait again */
	void *ctx;
};

struct og_kept {
	const struct og_kept_events *events;
	uv_loop_t *loop;
	const char *root;
	struct og_supervised service;
	char *path; /* of its file */
	char *log;
	enum og_kept_state state;
	bool settled;
	bool again;  /* once it has stopped, start it */
	bool forget; /* once it has stopped, forget it */
	struct og_child *child;
	int64_t first_ms, started_ms; /* monotonic: of the first start, and of the last */
	int64_t started_wall_ms;
	unsigned restarts; /* of its whole life: for people */
	unsigned in_a_row; /* since it last ran for a minute, or was told to start: what tells that it cannot live */
	int64_t exit;      /* of the last run: status, or 128 + signal */
	struct og_backoff backoff;
	uv_timer_t timer; /* of the state: probe, backoff, SIGKILL */
	struct og_kept *prev, *next;
};

/* Reads the file; the service is in no list and on no loop yet: og_kept_free frees it as long as that is so. */
struct og_kept *og_kept_read(const char *root, const char *path, struct og_error *err);
void og_kept_free(struct og_kept *k);

void og_kept_init(struct og_kept *k, uv_loop_t *loop, const char *root, const struct og_kept_events *events);
void og_kept_start(struct og_kept *k);
void og_kept_wait(struct og_kept *k);   /* after on_stopped: WAITING, its deaths forgotten */
void og_kept_stop(struct og_kept *k);   /* on_stopped follows, from inside the call where nothing ran */
void og_kept_end(struct og_kept *k);    /* kills, closes; no events any more. Freed by og_kept_free after the loop */
void og_kept_forget(struct og_kept *k); /* of a STOPPED one: frees it on the loop */
json_t *og_kept_status(const struct og_kept *k);

#endif
