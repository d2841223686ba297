/* The lines of a batch: read, sent as jobs, written when they end. */
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <utlist.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "batch/run_state.h"
#include "model/json_text.h"
#include "store/ledger.h"

#define STOP_MS       30000 /* for what is on its way when the batch stops */
#define AGAIN_MS      2000  /* after the cluster was busy */
#define BUDGET_WAIT_S 60    /* so soon a budget begins anew, or has room again for what others do not use of it */
#define FILL_AT       (1024u * 1024) /* bytes of lines that are taken before the loop has its turn */

static void item_free(struct og_batch_item *i)
{
	og_bill_leave(&i->bill);
	DL_DELETE(i->r->items, i);
	i->r->flying--;
	og_batch_line_done(&i->line);
	free(i);
}

static void write_line(FILE *to, char *text)
{
	fputs(text, to);
	free(text);
}

static void fail_line(struct og_batch_run *r, const struct og_batch_line *l, const struct og_refusal *why)
{
	write_line(r->err, og_batch_failure(l, why));
	r->failed++;
}

/* ── its end ── */

static void answered(struct og_batch_item *i, const struct og_job_end *end)
{
	json_t *result = og_json_load(end->body, end->len, JSON_ALLOW_NUL, NULL);
	char *text = og_batch_answer(&i->line, result);
	struct og_refusal why;

	if (text) {
		write_line(i->r->out, text);
		i->r->completed++;
	} else {
		og_refuse_with(&why, 502, "engine_failed", "the answer is not of the kind that was asked for");
		fail_line(i->r, &i->line, &why);
	}
	json_decref(result);
}

/* What is of the moment, and will pass. */
static bool passes(const char *type)
{
	static const char *const types[] = {"busy", "limited", "unavailable", "no_capacity", "draining"};

	for (size_t k = 0; k < OG_COUNT(types); k++)
		if (type && !strcmp(types[k], type))
			return true;
	return false;
}

/* Of a line without an answer; `end` NULL: it was never sent. False: its batch was stopped, and it is told nothing. */
static bool words_for(const struct og_batch_run *r, const struct og_job_end *end, struct og_refusal *ret)
{
	const char *type = end ? end->error_type : NULL;

	if (r->why == OG_BATCH_CANCELLED || r->why == OG_BATCH_REVOKED)
		return false;
	if (r->why == OG_BATCH_EXPIRED)
		og_refuse_with(ret, 504, "batch_expired", "the batch's completion window ended before this line");
	else if (r->spent.status && (!end || passes(type) || (type && !strcmp(type, "not_found"))))
		*ret = r->spent;
	else
		og_refusal_of_end(end, ret);
	return true;
}

static void end_without(struct og_batch_item *i, const struct og_job_end *end)
{
	struct og_refusal why;

	if (words_for(i->r, end, &why))
		fail_line(i->r, &i->line, &why);
	item_free(i);
}

static void on_end(void *ctx, const struct og_job_end *end)
{
	struct og_batch_item *i = ctx;
	struct og_batch_run *r = i->r;
	bool done = end->state == OG_STATE_DONE;

	i->job = NULL;
	og_bill_settle(&i->bill, end);
	if (end->state == OG_STATE_EXPIRED && r->why == OG_BATCH_RUNS)
		r->why = OG_BATCH_EXPIRED; /* the deadline of each is the batch's */
	if (!done && r->why == OG_BATCH_RUNS && !r->spent.status && passes(end->error_type)) {
		i->again_ms = og_clock_mono_ms() + AGAIN_MS;
		return;
	}
	if (done) {
		answered(i, end);
		item_free(i);
	} else {
		end_without(i, end);
	}
	og_batch_step(r);
}

/* ── its way ── */

static const struct og_job_sink *sink_of(struct og_batch_item *i, struct og_job_sink *room)
{
	*room = (struct og_job_sink){.end = on_end, .ctx = i};
	return room;
}

static struct og_envelope envelope_of(const struct og_batch_item *i)
{
	const struct og_batch_run *r = i->r;

	return (struct og_envelope){.type = OG_T_REQUEST,
		.id = i->line.job,
		.content_type = "application/json",
		.timestamp_s = og_clock_wall_ms() / 1000,
		.tenant = r->tenant,
		.model = i->line.model,
		.region = json_string_value(json_object_get(r->record, "region")),
		.class_name = og_class_name(OG_CLASS_BATCH),
		.operation = i->line.operation,
		.weight = r->key ? r->key->weight : 0,
		.max_tokens = i->line.max_tokens,
		.deadline_ms = r->expires_ms,
		.explicit_id = 1,
		.detach = 1};
}

static void send_it(struct og_batch_item *i)
{
	const struct og_envelope e = envelope_of(i);
	struct og_job_sink sink;

	i->job = og_job_submit(i->r->api->link, &e, i->line.body, i->line.len, sink_of(i, &sink), NULL);
	i->sent = i->sent || i->job;
	if (!i->job)
		og_bill_refund(&i->bill);
}

/* Said again until it has ended: the first may come before the scheduler has seen the job. */
static void cancel(struct og_batch_item *i)
{
	int64_t now_ms = og_clock_mono_ms();

	i->again_ms = now_ms + AGAIN_MS;
	if (!i->stopped_ms)
		i->stopped_ms = now_ms;
	og_link_ask(i->r->api->link, "cancel", json_pack("{s:s}", "id", i->line.job), OG_ANSWER_MS, NULL, NULL, NULL);
}

/* Of a batch that stops, or has no budget left: what became of a line that an earlier gateway may have sent. */
static void ask_for(struct og_batch_item *i)
{
	struct og_job_sink sink;

	if (i->r->why != OG_BATCH_RUNS)
		cancel(i);
	i->job = og_job_attach(i->r->api->link, i->line.job, NULL, NULL, sink_of(i, &sink), NULL);
}

/* Whether the limit lets it go by and by; a budget that is spent for longer is not waited for. */
static bool can_wait(const struct og_refusal *why)
{
	if (why->code && !strcmp(why->code, "insufficient_quota"))
		return why->retry_after_s && why->retry_after_s <= BUDGET_WAIT_S;
	return why->status != 403; /* a key that is gone stops the batch by itself */
}

static void go_on_without(struct og_batch_item *i)
{
	if (i->sent || i->r->taken_over)
		ask_for(i);
	else
		end_without(i, NULL);
}

static void refused(struct og_batch_item *i, const struct og_refusal *why)
{
	struct og_batch_run *r = i->r;
	int64_t wait_ms = why->retry_after_s ? why->retry_after_s * 1000 : AGAIN_MS;

	if (why->status == 403) {
		fail_line(r, &i->line, why);
		item_free(i);
	} else if (can_wait(why)) {
		i->again_ms = r->pause_ms = og_clock_mono_ms() + wait_ms;
		r->limited = true;
	} else {
		r->spent = *why;
		go_on_without(i);
	}
}

static void on_bill(void *ctx, const struct og_refusal *why)
{
	struct og_batch_item *i = ctx;
	struct og_batch_run *r = i->r;

	i->asking = false;
	r->asks--;
	if (og_batch_is_left(r))
		return;
	if (!why && r->why == OG_BATCH_RUNS)
		send_it(i);
	else if (!why || r->why != OG_BATCH_RUNS)
		og_bill_refund(&i->bill); /* the tick goes on with it */
	else
		refused(i, why);
	og_batch_again(r, og_clock_mono_ms());
	og_batch_step(r);
}

static void start(struct og_batch_item *i)
{
	const struct og_envelope e = envelope_of(i);
	struct og_batch_run *r = i->r;
	const struct og_caller who = {.key = r->key};
	struct og_refusal why;
	int rc;

	i->again_ms = og_clock_mono_ms() + AGAIN_MS;
	if (r->why != OG_BATCH_RUNS || r->spent.status) {
		go_on_without(i);
		return;
	}
	if (!og_link_is_up(r->api->link))
		return;
	rc = og_bill_open(&i->bill, r->api, &who, &e, i->line.len, on_bill, i, &why);
	if (rc > 0) {
		send_it(i);
	} else if (rc < 0) {
		refused(i, &why);
	} else {
		i->asking = true;
		r->asks++;
	}
}

static void take_line(struct og_batch_run *r, const char *text, size_t len)
{
	struct og_batch_item *i = og_new(struct og_batch_item);
	struct og_refusal why;
	int rc = og_batch_line_read(text, len, r->id, r->number, r->endpoint, &i->line, &why);

	i->r = r;
	DL_APPEND(r->items, i);
	r->flying++;
	if (rc == 0) {
		start(i);
		return;
	}
	if (r->why != OG_BATCH_CANCELLED && r->why != OG_BATCH_REVOKED)
		fail_line(r, &i->line, &why);
	item_free(i);
}

/* Who waits for a limit goes first. */
static bool may_take(const struct og_batch_run *r)
{
	return !r->eof && r->flying < r->window && (!r->limited || r->why != OG_BATCH_RUNS);
}

bool og_batch_fill(struct og_batch_run *r)
{
	size_t seen = 0;

	while (may_take(r) && seen < FILL_AT) {
		ssize_t len = getline(&r->line, &r->line_room, r->in);

		if (len < 0) {
			r->eof = true;
			return false;
		}
		seen += (size_t)len;
		r->number++;
		while (len && strchr(" \t\r\n", r->line[len - 1]))
			r->line[--len] = '\0';
		if (len)
			take_line(r, r->line, (size_t)len);
	}
	return may_take(r);
}

void og_batch_again(struct og_batch_run *r, int64_t now_ms)
{
	struct og_batch_item *i, *next;
	bool waits = false;

	if (r->why == OG_BATCH_RUNS && now_ms < r->pause_ms)
		return;
	DL_FOREACH_SAFE(r->items, i, next)
	{
		if (i->job && i->stopped_ms && now_ms - i->stopped_ms > STOP_MS) {
			og_job_forget(OG_TAKE(i->job)); /* the cluster does not say how it ended */
			end_without(i, NULL);
			continue;
		}
		if (i->job && r->why != OG_BATCH_RUNS && now_ms >= i->again_ms)
			cancel(i);
		if (i->job || i->asking)
			continue;
		if (now_ms < i->again_ms || (r->limited && r->asks))
			waits = true;
		else
			start(i);
	}
	r->limited = r->limited && (waits || r->asks);
}

/* By the next tick. */
void og_batch_stop_items(struct og_batch_run *r)
{
	struct og_batch_item *i;

	DL_FOREACH(r->items, i)
	{
		i->again_ms = 0;
	}
}

void og_batch_drop_items(struct og_batch_run *r)
{
	struct og_batch_item *i, *next;

	DL_FOREACH_SAFE(r->items, i, next)
	{
		if (i->job)
			og_job_leave(OG_TAKE(i->job), 0);
		if (!i->asking) /* the store answers with it */
			item_free(i);
	}
}
