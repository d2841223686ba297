/* What link.c (the line, questions), job.c (one job) and job_inbox.c (what comes about it) share. */
#ifndef OG_LINK_STATE_H
#define OG_LINK_STATE_H

#include <uthash.h>

#include "job/job.h"

struct og_question {
	struct og_link *l;
	char id[OG_ID_LEN + 1];
	og_answer_cb *cb;
	void *ctx;
	int64_t due_ms;
	UT_hash_handle hh;
};

/* All who listen to one job on this line. */
struct og_topic {
	char id[OG_ID_LEN + 1];
	struct og_job *jobs;
	UT_hash_handle hh;
};

enum og_job_phase {
	OG_JOB_SENDS,   /* its request is out and not confirmed */
	OG_JOB_FOLLOWS, /* the cluster has it; its end is to come */
	OG_JOB_LEAVES,  /* nobody waits for it here any more: the scheduler is to know */
};

struct og_job {
	struct og_link *l;
	struct og_topic *topic;
	struct og_job_sink sink;
	enum og_job_phase phase;
	struct og_message *request; /* until it is confirmed; NULL: it was there before */
	bool ours, publishing, ended;
	bool streams, wants_chunks; /* chunks are its sink's wish; they can still come */
	bool may_hear;              /* the scheduler lets us: it is ours, or it has answered */
	bool missed;                /* something came before that */
	bool yielded;               /* nobody waits for it here; its end is still told */
	og_job_left_cb *left;       /* who left it wants to know how it stood; or NULL */
	void *left_ctx;
	bool never_ran;           /* what they are told */
	bool unsure;              /* an answer to `leave` was lost: it may have run when that was asked */
	char tenant[OG_NAME_MAX]; /* for whom it is asked for; "": for anybody */
	bool asks;  /* its messages do not come by themselves: made on an earlier connection, or attached to */
	bool waits; /* what was asked last was to be told its end */
	int64_t attempt, run;          /* that is being read; 0: none yet */
	int64_t next_seq;              /* the chunk that is next of it */
	int64_t heard_ms;              /* of it */
	int64_t asked_ms, answered_ms; /* about it */
	int64_t leave_at_ms;           /* when nobody will wait any more; 0: somebody listens */
	unsigned unknown;              /* answers in a row that nobody knows it */
	struct og_question *question;
	struct og_job *prev, *next;
};

struct og_link {
	struct og_link_config config;
	struct og_session *session;
	uv_timer_t tick;
	bool up, closing;
	int64_t down_since_ms;
	struct og_question *questions; /* by id */
	struct og_topic *topics;
	size_t n_jobs;
	unsigned open;
	void (*on_closed)(void *ctx);
	void *closed_ctx;
};

/* job.c */
void og_job_up(struct og_job *j); /* a new connection stands */
void og_job_tick(struct og_job *j, int64_t now);
void og_job_ask(struct og_job *j);  /* what its phase wants to know */
void og_job_wait(struct og_job *j); /* has its end told */
void og_job_left(struct og_job *j); /* the scheduler knows, or is told no more */
void og_job_end(struct og_job *j, const struct og_job_end *end);
void og_job_fail(struct og_job *j, const char *type, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* job_inbox.c */
void og_job_message(struct og_job *j, const struct og_envelope *e, const struct og_message *m);
void og_job_answered(struct og_job *j, const char *err_type, const json_t *answer);

#endif
