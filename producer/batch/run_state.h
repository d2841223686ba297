/* What run.c (the connection, signals and time), intake.c (lines into the window) and inbox.c (what comes) share. */
#ifndef OG_BATCH_RUN_STATE_H
#define OG_BATCH_RUN_STATE_H

#include "batch/lines.h"
#include "batch/pace.h"
#include "batch/run.h"

#define OG_BATCH_SIGNALS 3

enum og_slot_state { OG_SLOT_FREE, OG_SLOT_READY, OG_SLOT_FLYING };

/* A line on its way. */
struct og_slot {
	struct og_batch_run *run;
	enum og_slot_state state;
	struct og_batch_request request;
	int64_t number;               /* of the line */
	int64_t heard_ms;             /* when something was known of it, loop time */
	int64_t refused_ms;           /* since when nobody serves its tier; 0: somebody does */
	unsigned unknown;             /* answers that nobody knows it */
	unsigned publishing;          /* messages whose confirm is out: the slot is theirs until it came */
	char question[OG_ID_LEN + 1]; /* that is out about it; "": none */
};

struct og_batch_run {
	const struct og_batch *batch;
	const struct og_batch_times *times;
	struct og_screen *screen;
	const struct og_session_config *config;
	struct og_session *session; /* NULL until there is something to send */
	struct og_lines lines;
	struct og_pace pace;
	struct og_slot *slots;
	size_t used, flying_bytes; /* slots that are not free; bytes of their bodies */
	struct og_batch_counts counts;
	struct og_progress progress;
	uv_timer_t turn, tick; /* the next turn; time that passes */
	uv_poll_t input;       /* of a pipe */
	uv_signal_t signals[OG_BATCH_SIGNALS];
	bool polled, polling; /* the input is a pipe; it is being waited for */
	bool up, full;        /* full: the client takes no more until something is confirmed */
	bool input_over, stopping, over;
	char trouble[160]; /* why it does not go on at the moment; "": it does */
	int64_t reported_ms;
	unsigned open;
	enum og_exit exit;
};

/* run.c */
void og_batch_soon(struct og_batch_run *r);                               /* a turn, from the loop */
void og_batch_finish(struct og_batch_run *r, enum og_exit exit);          /* the first exit counts */
void og_batch_broken(struct og_batch_run *r, const struct og_error *err); /* a file cannot be read or written */
void og_batch_drop(struct og_slot *slot); /* it is through; free when its confirms came */

/* intake.c: takes lines while there is room, and publishes what is ready. */
void og_batch_take_lines(struct og_batch_run *r);
void og_batch_send_ready(struct og_batch_run *r);

/* inbox.c */
void og_batch_message(void *ctx, const struct og_envelope *e, const struct og_message *m);
void og_batch_ask_silent(struct og_batch_run *r);
/* The line is through with an error. */
void og_batch_fail(struct og_batch_run *r, const char *custom_id, const char *id, int64_t number, const char *type,
	const char *words);

#endif
