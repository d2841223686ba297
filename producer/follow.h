/* Follows one job to its end.
 *
 *            on_up                  confirmed            done, or an answer that says so
 *   no link ───────▶ request is out ──────────▶ waiting ─────────────────────────────────▶ over
 *      ▲                   │                     │   ▲                                      ▲
 *      └─────── lost ──────┴──────── lost ───────┘   └─ on_up: asks for the job             │ cancelled; or no answer
 *                                                                                           │ to the cancel in time
 *   Ctrl-C, time-out, nobody reads stdout: a cancel goes out ───────────────────────────────┘
 *
 * The request goes out again, with the same id, until it was confirmed once. After that the job is asked for where its
 * messages may have been missed: at each new connection, and when nothing is heard.
 * Without a request the job is an earlier one: it is asked for from the start, and Ctrl-C leaves it alone. */
#ifndef OG_FOLLOW_H
#define OG_FOLLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "model/job.h"
#include "screen.h"
#include "service/session.h"

struct og_follow_job {
	const char *id;
	const struct og_envelope *request; /* NULL: the job is there already. Its reply_to is set here */
	const char *body;
	size_t body_len;
	bool stream;        /* show text as it comes, else at the end */
	bool json;          /* show the end as JSON */
	bool detach;        /* over as soon as it is confirmed */
	int64_t timeout_ms; /* 0: none. For a job of ours: then cancel it; else stop waiting */
};

/* Bounds, which tests shorten. */
struct og_follow_times {
	int64_t silence_ms; /* no word from a scheduler after the confirm: say so */
	int64_t give_up_ms; /* and no longer wait for one */
	int64_t ask_ms;     /* between two questions about the job */
	int64_t again_ms;  /* before asking again about a job that nobody knew: it may be on its way to the scheduler */
	int64_t cancel_ms; /* for the answer to a cancel */
};
extern const struct og_follow_times og_follow_usual;

/* Runs `loop` until the job has ended or is given up. All that there is to say was said on `screen`. */
enum og_exit og_follow(uv_loop_t *loop, const struct og_session_config *session, const struct og_follow_job *job,
	const struct og_follow_times *times, struct og_screen *screen);

#endif
