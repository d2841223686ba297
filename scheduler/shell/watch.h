/* Who else wants a job's answer, beside its submitter: those who asked by RPC to be told of its end, those who submitted
 * it a second time under another reply key, and those who asked for its chunks (`attach`). Bounded: beyond it the asker
 * is told nothing, and asks again. */
#ifndef OG_SCHEDULER_WATCH_H
#define OG_SCHEDULER_WATCH_H

#include "shell/scheduler.h"

#define OG_WATCHERS_A_JOB 16
#define OG_WATCHERS_MAX   20000

/* `question` is the message_id of a `wait`; NULL: a second submit, answered by <reply>.result. A reply key watches a
 * job once. */
void og_watch(struct og_scheduler *s, struct og_entry *e, const char *reply, const char *question);
/* The job's chunks, from number `from` on of the attempt that runs, are to come to `reply` too, and its end as
 * <reply>.result; the submitter's own key may ask for them as well. Where it waits they come when it starts. False:
 * there are too many watchers. */
bool og_watch_attach(struct og_scheduler *s, struct og_entry *e, const char *reply, int64_t from);
/* A heartbeat of `w` was heard: who waits for the chunks of what it runs is attached there. */
void og_watch_runs(struct og_scheduler *s, const struct og_worker *w);
/* Whoever reads at `reply` does not want it any more, be he its submitter or one who watches it. */
void og_watch_leave(struct og_scheduler *s, struct og_entry *e, const char *reply);
/* Somebody waits for it, its submitter or another, as far as we know. */
bool og_watch_is_wanted(const struct og_entry *e);
/* Somebody who watches it is there. */
bool og_watch_saves(const struct og_entry *e, int64_t now, int64_t grace_ms);

/* The job has ended so: tells all and forgets them. */
void og_watch_tell(struct og_scheduler *s, struct og_entry *e, const char *state, const char *error_type,
	const void *body, size_t len);
void og_watch_drop(struct og_scheduler *s, struct og_entry *e);
void og_watch_free(struct og_entry *e); /* with the whole term */

/* <reply>.result: the answer of a job that had ended when it was submitted again. */
void og_watch_result(struct og_scheduler *s, const char *reply, const char *id, const char *state,
	const char *error_type, const void *body, size_t len);

#endif
