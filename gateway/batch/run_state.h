/* What run.c (its life) and items.c (its lines) share. */
#ifndef OG_GATEWAY_BATCH_RUN_STATE_H
#define OG_GATEWAY_BATCH_RUN_STATE_H

#include <stdio.h>

#include "api/bill.h"
#include "batch/count.h"
#include "batch/line.h"
#include "batch/run.h"
#include "job/job.h"

struct og_batch_item {
	struct og_batch_run *r;
	struct og_batch_line line;
	struct og_bill bill;
	struct og_job *job; /* NULL: it is asked for its bill, or waits for another try */
	int64_t again_ms;   /* when; of one that is to end, when that is said again */
	int64_t stopped_ms; /* when it was said first; 0: it was not */
	bool asking, sent;  /* its bill; it was sent from here */
	struct og_batch_item *prev, *next;
};

enum og_batch_why { OG_BATCH_RUNS, OG_BATCH_CANCELLED, OG_BATCH_EXPIRED, OG_BATCH_REVOKED, OG_BATCH_BAD };

struct og_batch_run {
	struct og_api *api;
	json_t *record;
	const char *id, *tenant, *endpoint; /* of the record */
	const char *owner;
	void (*over)(void *ctx, struct og_batch_run *r);
	void *ctx;
	uv_timer_t timer;
	struct og_key_watch watch;
	struct og_key *
		key; /* the one that made it, as it stands now; held. NULL: not known yet, or it was made without one */
	FILE *in, *out, *err;
	char *out_path, *err_path, *line;
	size_t line_room;
	struct og_batch_count count; /* while they are counted */
	int64_t number, window, flying, total, completed, failed;
	int64_t expires_ms, held_ms, touched_ms;
	int64_t pause_ms; /* a limit is met: nothing is sent until then */
	int asks;         /* bills that the store is asked for */
	enum og_batch_why why;
	struct og_refusal spent; /* status 0: there is budget left. Else what the lines are told that did not run */
	bool counted, eof, ending, leaving, dropped, taken_over;
	bool limited; /* a limit was met: who waits for it asks one by one, until none does */
	int waits;    /* for the store, but for bills */
	struct og_batch_item *items;
};

/* items.c */
bool og_batch_fill(struct og_batch_run *r); /* the window; true: the loop is to have its turn, and then there is more */
void og_batch_again(struct og_batch_run *r, int64_t now_ms);
void og_batch_stop_items(struct og_batch_run *r);
void og_batch_drop_items(struct og_batch_run *r);

/* run.c */
void og_batch_step(struct og_batch_run *r);
bool og_batch_is_left(struct og_batch_run *r); /* true: it is to be left, and goes when nothing is waited for */

#endif
