/* What run.c (its life) and items.c (its lines) share. */
#ifndef OG_GATEWAY_BATCH_RUN_STATE_H
#define OG_GATEWAY_BATCH_RUN_STATE_H

#include <stdio.h>

#include "batch/line.h"
#include "batch/run.h"
#include "job/job.h"

#define OG_BATCH_LINE_MAX (8u * 1024 * 1024)

struct og_batch_item {
	struct og_batch_run *r;
	struct og_batch_line line;
	struct og_job *job; /* NULL: it waits for another try */
	int64_t again_ms;   /* when */
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
	struct og_key_watch watch; /* of the key that made it */
	FILE *in, *out, *err;
	char *out_path, *err_path, *line;
	size_t line_room;
	int64_t number, window, flying, total, completed, failed;
	int64_t expires_ms, held_ms;
	enum og_batch_why why;
	bool counted, eof, ending, leaving, dropped;
	int waits; /* for the store */
	struct og_batch_item *items;
};

/* items.c */
void og_batch_fill(struct og_batch_run *r); /* the window */
void og_batch_again(struct og_batch_run *r, int64_t now_ms);
void og_batch_stop_items(struct og_batch_run *r);
void og_batch_drop_items(struct og_batch_run *r);

/* run.c */
void og_batch_step(struct og_batch_run *r);

#endif
