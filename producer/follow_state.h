/* What follow.c (the request, the connection, signals and time) and follow_inbox.c (what comes) share. */
#ifndef OG_FOLLOW_STATE_H
#define OG_FOLLOW_STATE_H

#include "display.h"
#include "follow.h"

#define OG_FOLLOW_SIGNALS 3

enum {
	OG_FOLLOW_ASK,     /* asks the scheduler */
	OG_FOLLOW_GIVE_UP, /* nobody has answered for too long */
	OG_FOLLOW_TIMEOUT, /* the user's own bound */
	OG_FOLLOW_CANCEL,  /* the bound on a cancel */
	OG_FOLLOW_SPINNER,
	OG_FOLLOW_TIMERS
};

struct og_follow {
	const struct og_follow_job *job;
	const struct og_follow_times *times;
	struct og_screen *screen;
	struct og_session *session;
	struct og_display display;
	uv_timer_t timers[OG_FOLLOW_TIMERS];
	uv_signal_t signals[OG_FOLLOW_SIGNALS];
	char result_id[OG_ID_LEN + 1], wait_id[OG_ID_LEN + 1], cancel_id[OG_ID_LEN + 1],
		attach_id[OG_ID_LEN + 1]; /* of questions that are out */
	int64_t asked_from;               /* the chunk from which on it was asked for */
	bool cannot_attach;               /* a scheduler that does not know how */
	bool up, confirmed;
	bool asking; /* the job's messages do not reach us by themselves: an earlier job, or an earlier connection */
	unsigned unanswered; /* questions, the request itself being one */
	int unknown;         /* answers that nobody knows the job */
	char away[128];      /* why the last answer told nothing of the job: its record cannot be read; "" if it did */
	bool cancelling, over;
	unsigned open;               /* handles and the session */
	enum og_exit cancelled_exit; /* what a cancel that succeeds ends with */
	enum og_exit exit;           /* valid when over */
};

void og_follow_finish(struct og_follow *f, enum og_exit exit); /* ends it; the first exit counts */
void og_follow_arm(struct og_follow *f, int which, int64_t ms);
/* Asks the scheduler; what cannot be sent now is asked again by the timers. */
void og_follow_ask(struct og_follow *f, const char *verb, char id[static OG_ID_LEN + 1]);
/* Has the job's chunks, from the first that is missing, and its end sent here. */
void og_follow_attach(struct og_follow *f);
void og_follow_cancel(struct og_follow *f, enum og_exit exit); /* has the job cancelled, and ends with `exit` then */
void og_follow_message(void *ctx, const struct og_envelope *e, const struct og_message *m);

#endif
