/* Runs a batch: reads its lines, keeps a window of them on their way, and writes what became of each.
 *
 *              a line                  confirmed                 answered
 *   input ───────────────▶ READY ─────────────────▶ FLYING ───────────────────▶ a line in a file
 *                          ▲   ▲                      │  │
 *                          │   └── connection lost ───┘  │
 *                          └────── busy: later ──────────┘
 *
 * Ids are made of what a line asks (request.h) and sent as chosen ones: what goes out again, in this run or in another one, is
 * answered and does not run twice. So all that is needed to go on is in the files. What is not heard of for long is asked
 * for. */
#ifndef OG_BATCH_RUN_H
#define OG_BATCH_RUN_H

#include "batch/files.h"
#include "batch/request.h"
#include "screen.h"
#include "service/session.h"

#define OG_BATCH_WINDOW_MAX 1000

struct og_batch {
	int input;    /* its descriptor */
	int64_t size; /* of a file; 0: a pipe */
	struct og_batch_ask ask;
	const char *class_name;
	int64_t deadline_in_ms; /* 0: the cluster's default */
	int64_t window;         /* lines on their way at once */
	struct og_batch_files *files;
	struct og_marks *marks;
};

/* Bounds, which tests shorten. */
struct og_batch_times {
	int64_t ask_ms;      /* no word of a job for so long: ask for it */
	int64_t capacity_ms; /* so long a line waits for a tier that nobody serves */
	int64_t report_ms;   /* between two lines of progress where there is no terminal */
};
extern const struct og_batch_times og_batch_usual;

struct og_batch_counts {
	int64_t lines;    /* that were read, blank ones not counted */
	int64_t skipped;  /* answered before */
	int64_t answered; /* in this run */
	int64_t failed;
};

/* ANSWERED: every line is through, and all answers are in the file; FAILED: likewise, with errors among them; INTERRUPTED: it
 * was stopped; else why it could not go on, which was told. All but the first two may be gone on with. */
enum og_exit og_batch_run(uv_loop_t *loop, const struct og_session_config *session, const struct og_batch *batch,
	const struct og_batch_times *times, struct og_screen *screen, struct og_batch_counts *ret);

#endif
