/* The client of a real broker, as its parts see it: amqp_rabbit.c is the ops, amqp_life.c a connection's life,
 * amqp_login.c who we are, amqp_dialog.c what the broker says then and what we answer, amqp_steps.c the recipe on the wire.
 *
 *            timer            stream open          channel open, confirms on      all steps answered
 *   DOWN ───────────▶ CONNECTING ────────▶ LOGIN ─────────────────────────▶ RECIPE ─────────────────▶ UP
 *    ▲                    │                  │                                │                       │
 *    └────────────────────┴──────────────────┴────────────────────────────────┴───────────────────────┘ lost: on_down
 *
 *            close()                confirmed                connection.close answered
 *   UP ────────────────────▶ LEAVING ───────────▶ CLOSING ─────────────────────────────▶ GONE (handles close)
 *   any other ─────────────────────────────────▶ CLOSING ── at once ──────────────────▶ GONE
 * LEAVING and CLOSING last a second together at most. */
#ifndef OG_IO_AMQP_RABBIT_H
#define OG_IO_AMQP_RABBIT_H

#include "base/backoff.h"
#include "io/amqp_acks.h"
#include "io/amqp_endpoints.h"
#include "io/amqp_frames.h"
#include "io/amqp_parts.h"
#include "io/amqp_recipe.h"
#include "io/amqp_stream.h"
#include "io/amqp_window.h"

enum og_rabbit_state {
	OG_RABBIT_DOWN,
	OG_RABBIT_CONNECTING,
	OG_RABBIT_LOGIN,
	OG_RABBIT_RECIPE,
	OG_RABBIT_UP,
	OG_RABBIT_LEAVING, /* from here on closed by its owner: no more callbacks but of publishes */
	OG_RABBIT_CLOSING,
	OG_RABBIT_GONE,
};

struct og_rabbit {
	struct og_amqp base;
	uv_loop_t *loop;
	struct og_amqp_events events;
	char *vhost, *user, *password, *name;
	struct og_endpoints endpoints;
	const char *endpoint; /* for people: of the last attempt */
	SSL_CTX *tls;
	bool verify_host, republish;
	int64_t connect_timeout_ms, answer_timeout_ms, heartbeat_ms;
	unsigned prefetch_global;

	enum og_rabbit_state state;
	uint64_t epoch;
	struct og_backoff backoff;
	int64_t up_since; /* loop time */

	struct og_stream *stream; /* NULL while DOWN */
	struct og_frames frames;
	uint32_t frame_max;
	int64_t heard_at, ticked_at; /* loop time */
	unsigned quiet_ticks;        /* since we said anything */

	struct og_recipe recipe;
	size_t steps_sent, steps_done;
	unsigned steps_asked[OG_STEP_KINDS]; /* sent and not answered yet */

	struct og_acks acks;
	struct og_parts parts;
	struct og_window window;
	bool blocked;
	bool publish_refused; /* the channel was closed by a publish of ours */
	uint64_t suspects;    /* publishes up to this tag go out one by one: one of them closed the last channel */
	void (*on_writable)(void *ctx);
	void *writable_ctx;

	uint64_t oversized;
	uv_timer_t timer, beat; /* timer: the deadline or delay of the state, or of the steps' answers */
	uv_prepare_t prepare;   /* writes what an iteration of the loop has gathered */
	unsigned handles;       /* to be closed before the end; streams on their way out count */
	void (*on_closed)(void *ctx);
	void *closed_ctx;
};

/* amqp_life.c */
void og_rabbit_start(struct og_rabbit *c);
void og_rabbit_deadline(struct og_rabbit *c, int64_t ms); /* the state must be left within */
void og_rabbit_no_deadline(struct og_rabbit *c);
void og_rabbit_begin_recipe(struct og_rabbit *c);
void og_rabbit_become_up(struct og_rabbit *c);
void og_rabbit_start_beating(struct og_rabbit *c);
void og_rabbit_leave(struct og_rabbit *c); /* on to CLOSING, where nothing has to be waited for */
void og_rabbit_pump(struct og_rabbit *c);  /* publishes that wait, as far as the kernel keeps up */

/* amqp_login.c */
/* A method that only belongs to the login: RETRY where it comes later, or is none. */
int og_rabbit_login_method(struct og_rabbit *c, amqp_method_number_t id, void *m, struct og_error *err);

/* amqp_dialog.c */
extern const struct og_frames_events og_rabbit_dialog;
void og_rabbit_say(struct og_rabbit *c, uint16_t channel, amqp_method_number_t id, void *method);
void og_rabbit_say_acks(struct og_rabbit *c); /* those of this turn */
void og_rabbit_settle(struct og_rabbit *c, uint64_t tag, enum og_settlement how);
void og_rabbit_say_close(struct og_rabbit *c);

/* amqp_steps.c */
void og_rabbit_send_steps(struct og_rabbit *c); /* those not sent yet */
/* The deadline of what was asked and is not answered; each answer, and the end of an alarm, begins it anew. */
void og_rabbit_expect_answers(struct og_rabbit *c);
/* A -ok: the next step's, or RETRY where it is not. */
int og_rabbit_step_answered(struct og_rabbit *c, amqp_method_number_t id, struct og_error *err);
void og_rabbit_step_late(const struct og_rabbit *c, struct og_error *err); /* says which has no answer */
void og_rabbit_send_cancel(struct og_rabbit *c, unsigned consumer);
unsigned og_rabbit_consumer_of(amqp_bytes_t tag); /* 0: not one of ours */

#endif
