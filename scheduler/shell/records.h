/* What the scheduler writes to Redis and reads there: the view (docs/SCHEDULER.md). Everything is pipelined and
 * nothing is waited for; a write that is lost can be made good from the broker, except where the caller asks for the
 * answer.
 *
 * Those that return int: -1 is RETRY or BUSY, and the callback is not called. */
#ifndef OG_SCHEDULER_RECORDS_H
#define OG_SCHEDULER_RECORDS_H

#include "plan/view.h"
#include "shell/scheduler.h"
#include "shell/scripts.h"

#define OG_PAGE_JOBS 500

/* Redis is up, and did not fail within the last second. */
bool og_records_healthy(const struct og_scheduler *s);
/* An answer failed: what can be done without Redis is done without it for a second. */
void og_records_sick(struct og_scheduler *s);
/* True where a script's answer says that another leader came after us; then we have resigned, and the term is gone. */
bool og_records_fenced(struct og_scheduler *s, const struct og_redis_reply *reply);

int og_records_claim(struct og_scheduler *s, int64_t epoch, bool again, og_redis_cb *cb, void *ctx);
int og_records_page(struct og_scheduler *s, int64_t from, og_redis_cb *cb, void *ctx);

/* Before an explicit id moves on. `hash` is of the body. */
int og_records_accept(struct og_scheduler *s, const char *id, const char *tenant, const char *reply, const char *hash,
	og_redis_cb *cb, void *ctx);
/* It is in its lane (queued) or in its tier's queue (placed): the whole record. One that was requeued lives
 * again first: until then its record is that of its death. */
void og_records_moved(struct og_scheduler *s, struct og_entry *e, enum og_state state);
/* The record of one that waits or is placed, where Redis has lost it. */
void og_records_again(struct og_scheduler *s, struct og_entry *e);
int og_records_epoch(struct og_scheduler *s, og_redis_cb *cb, void *ctx); /* NIL: Redis has forgotten all */
/* `done` is the envelope of the message that ends it; `own`: the scheduler wrote it. */
int og_records_finish(struct og_scheduler *s, const struct og_envelope *done, const struct og_message *m, bool own,
	og_redis_cb *cb, void *ctx);

/* One event more of its story (history.h), beside those that the record and the end of it bring themselves; each text
 * may be NULL. Nothing where it has no record. */
void og_records_history(struct og_scheduler *s, const char *id, const char *what, int64_t attempt,
	const char *node_name, const char *worker, const char *error, const char *words);

/* The fields of enum og_record_field, as an array. */
int og_records_look(struct og_scheduler *s, const char *id, og_redis_cb *cb, void *ctx);
/* Every field and its value, flat. */
int og_records_whole(struct og_scheduler *s, const char *id, og_redis_cb *cb, void *ctx);
int og_records_result(struct og_scheduler *s, const char *id, og_redis_cb *cb, void *ctx); /* the done body, or NIL */
/* Rows of jobs, newest first: those of the filter's tenant, or of all. The filter's state is a terminal one. */
int og_records_jobs(struct og_scheduler *s, const struct og_filter *filter, int64_t limit, og_redis_cb *cb, void *ctx);
/* What operators ordered: every field and its value, flat; and one of them, "": no more. */
int og_records_orders(struct og_scheduler *s, og_redis_cb *cb, void *ctx);
void og_records_order(struct og_scheduler *s, const char *field, const char *value);
int og_records_counters(struct og_scheduler *s, og_redis_cb *cb, void *ctx);

void og_records_count(struct og_scheduler *s, const char *counter);
/* Somebody said what is not his to say: counted, and logged once a second at most. `about`: of which job or worker. */
void og_records_forged(struct og_scheduler *s, const char *what, const char *about, const char *user);
void og_records_node(struct og_scheduler *s, struct og_node *node, const struct og_presence *said, int64_t now);

/* A field of a record, as text; NULL where it is not there. */
const char *og_record_text(const struct og_redis_reply *record, size_t field);
int64_t og_record_number(const struct og_redis_reply *record, size_t field); /* 0 where it is not there */

#endif
