/* Questions to the leader (docs/PROTOCOL.md, RPC): one row a verb in rpc.c, one function each in rpc_fleet.c,
 * rpc_jobs.c, rpc_ends.c and rpc_orders.c. A question is acked as it comes: one that is lost with its leader is asked again. */
#ifndef OG_SCHEDULER_RPC_H
#define OG_SCHEDULER_RPC_H

#include "shell/scheduler.h"

struct og_question {
	struct og_scheduler *s;
	uint64_t term;
	char id[OG_ID_LEN + 1], reply[OG_KEY_MAX], tenant[OG_NAME_MAX];
	bool sees_all;             /* the roles gateway and operator, where they do not ask for a tenant */
	bool operates;             /* the role operator, and a gateway that asks for an administrator */
	char job[OG_ID_LEN + 1];   /* of the verbs that name one */
	char state[32], error[64]; /* of the job's record, while its result is fetched */
	json_t *kept;              /* the answer so far; NULL: none */
};

void og_rpc_take(void *ctx, const struct og_message *m, uint64_t epoch); /* a delivery; ctx: the scheduler */

void og_question_free(struct og_question *q);
/* Each frees the question. */
void og_rpc_answer(struct og_question *q, json_t *answer); /* takes the reference */
void og_rpc_fail(struct og_question *q, const char *type, const char *words);

/* For a callback of Redis: NULL where the term is over; then ctx is freed. */
struct og_question *og_rpc_current(void *ctx);

/* Answers a `wait` of before: the job has ended. */
void og_rpc_answer_end(struct og_scheduler *s, const char *reply, const char *question, const char *state,
	const void *body, size_t len);
json_t *og_rpc_end(const char *state, const void *body, size_t len); /* {"state", "result"} */

/* --- between rpc_jobs.c and rpc_ends.c --- */

void og_rpc_not_found(struct og_question *q);
void og_rpc_no_records(struct og_question *q);
/* The job's live entry, where this user may see it. Whose a job is that only a heartbeat told us of we do not know. */
struct og_entry *og_rpc_live_entry(const struct og_question *q);
bool og_rpc_may_see(const struct og_question *q, const char *tenant);

/* The verbs. Each owns its question. */
void og_rpc_peers(struct og_question *q, const json_t *args);
void og_rpc_tiers(struct og_question *q, const json_t *args);
void og_rpc_queues(struct og_question *q, const json_t *args);
void og_rpc_status(struct og_question *q, const json_t *args);
void og_rpc_jobs(struct og_question *q, const json_t *args);
void og_rpc_job(struct og_question *q, const json_t *args);
void og_rpc_result(struct og_question *q, const json_t *args);
void og_rpc_wait(struct og_question *q, const json_t *args);
void og_rpc_attach(struct og_question *q, const json_t *args);
void og_rpc_cancel(struct og_question *q, const json_t *args);
void og_rpc_leave(struct og_question *q, const json_t *args);
void og_rpc_pause(struct og_question *q, const json_t *args);
void og_rpc_resume(struct og_question *q, const json_t *args);
void og_rpc_drain(struct og_question *q, const json_t *args);
void og_rpc_dead_list(struct og_question *q, const json_t *args);
void og_rpc_dead_show(struct og_question *q, const json_t *args);
void og_rpc_dead_requeue(struct og_question *q, const json_t *args);
void og_rpc_dead_drop(struct og_question *q, const json_t *args);

#endif
