/* Lines into the window, and out to the cluster. */
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "batch/run_state.h"
#include "model/message.h"

#define TURN_LINES 256                 /* then the loop has its turn: heartbeats, signals */
#define FLYING_MAX (32u * 1024 * 1024) /* bytes of bodies in the window, beyond its first */
#define BOM        "\xef\xbb\xbf"

static bool has_room(const struct og_batch_run *r)
{
	return r->used < (size_t)r->batch->window && (!r->used || r->flying_bytes < FLYING_MAX);
}

static struct og_slot *free_slot(struct og_batch_run *r)
{
	for (int64_t i = 0; i < r->batch->window; i++)
		if (r->slots[i].state == OG_SLOT_FREE && !r->slots[i].publishing)
			return &r->slots[i];
	return NULL;
}

static bool was_answered(const struct og_batch_run *r, uint64_t mark)
{
	return og_marks_get(r->batch->marks, mark) & OG_MARK_ANSWERED;
}

/* One that is told by its number, unless an earlier run told it. */
static void fail_line(struct og_batch_run *r, const char *custom_id, const char *type, const char *words)
{
	int64_t number = r->lines.number;

	if (was_answered(r, og_mark_of_line(number)))
		r->counts.skipped++;
	else
		og_batch_fail(r, custom_id, NULL, number, type, words);
}

static void fill_slot(struct og_batch_run *r, struct og_slot *slot, const struct og_batch_request *request)
{
	slot->state = OG_SLOT_READY;
	slot->request = *request;
	slot->number = r->lines.number;
	slot->refused_ms = 0;
	slot->unknown = 0;
	slot->question[0] = '\0';
	r->used++;
	r->flying_bytes += request->body_len;
}

static void take_request(struct og_batch_run *r, json_t *line, const char *custom_id)
{
	uint64_t mark = og_mark_of_id(custom_id);
	struct og_batch_request request;
	struct og_error err;

	if (og_marks_get(r->batch->marks, mark) & OG_MARK_SEEN) {
		fail_line(r, custom_id, OG_BATCH_DOUBLED, "a line further up has the same custom id");
		return;
	}
	og_marks_add(r->batch->marks, mark, OG_MARK_SEEN);
	if (was_answered(r, mark))
		r->counts.skipped++;
	else if (og_batch_request_make(line, &r->batch->ask, &request, &err) < 0)
		og_batch_fail(r, custom_id, NULL, r->lines.number, "invalid_request", err.message);
	else
		fill_slot(r, free_slot(r), &request);
}

static void take_line(struct og_batch_run *r, const char *text, size_t len)
{
	const char *custom_id;
	struct og_error err;
	json_t *line;

	if (r->lines.number == 1 && len >= strlen(BOM) && !memcmp(text, BOM, strlen(BOM))) {
		text += strlen(BOM);
		len -= strlen(BOM);
	}
	while (len && strchr(" \t\r", *text)) {
		text++;
		len--;
	}
	if (!len)
		return;
	r->counts.lines++;
	if (og_batch_read(text, len, &line, &custom_id, &err) < 0) {
		fail_line(r, NULL, "invalid_request", err.message);
		return;
	}
	take_request(r, line, custom_id);
	json_decref(line);
}

static void fill(struct og_batch_run *r)
{
	struct og_error err;

	if (og_lines_fill(&r->lines, &err) < 0) {
		og_fail_in(&err, "the batch");
		og_batch_broken(r, &err);
	}
}

static void on_readable(uv_poll_t *handle, int status, int events)
{
	struct og_batch_run *r = handle->data;

	(void)status, (void)events;
	uv_poll_stop(handle);
	r->polling = false;
	fill(r);
	if (!r->over)
		og_batch_soon(r);
}

/* A pipe is read when it says that it can be: the loop must not wait in a read. */
static void want_input(struct og_batch_run *r)
{
	if (!r->polled) {
		fill(r);
		return;
	}
	if (!r->polling)
		uv_poll_start(&r->input, UV_READABLE, on_readable);
	r->polling = true;
}

/* One step. False: nothing more is to be had now. */
static bool step(struct og_batch_run *r)
{
	const char *text = NULL;
	size_t len = 0;

	switch (og_lines_next(&r->lines, &text, &len)) {
	case OG_LINE_WANTED:
		want_input(r);
		return !r->polled;
	case OG_LINE_END:
		r->input_over = true;
		return false;
	case OG_LINE_LONG:
		r->counts.lines++;
		fail_line(r, NULL, "too_large", "the line is longer than a prompt may be");
		return true;
	case OG_LINE:
	case OG_LINE_TORN:
		take_line(r, text, len);
		return true;
	}
	return false;
}

void og_batch_take_lines(struct og_batch_run *r)
{
	unsigned n = 0;

	while (!r->over && !r->stopping && !r->input_over && !r->polling && has_room(r) && free_slot(r)) {
		if (n++ == TURN_LINES) {
			og_batch_soon(r);
			return;
		}
		if (!step(r))
			return;
	}
}

/* ── out ── */

static void on_settled(void *ctx, enum og_settled how)
{
	struct og_slot *slot = ctx;
	struct og_batch_run *r = slot->run;

	slot->publishing--;
	r->full = false;
	if (slot->state == OG_SLOT_FLYING && (how == OG_NACKED || how == OG_LOST)) {
		slot->state = OG_SLOT_READY;
		if (how == OG_NACKED)
			og_pace_busy(&r->pace, (int64_t)uv_now(r->turn.loop), NULL, og_random());
	} else if (slot->state == OG_SLOT_FLYING && how == OG_RETURNED) {
		og_screen_error(r->screen, "the cluster has no queue for prompts: `og-broker-config apply` makes it");
		og_batch_finish(r, OG_EXIT_NOT_CONNECTED);
		return;
	}
	og_batch_soon(r);
}

static int publish(struct og_batch_run *r, struct og_slot *slot, struct og_error *err)
{
	const struct og_batch *b = r->batch;
	int64_t now = og_clock_wall_ms();
	struct og_envelope e = {
		.type = OG_T_REQUEST,
		.id = slot->request.id,
		.reply_to = og_session_reply(r->session),
		.content_type = "application/json",
		.timestamp_s = now / 1000,
		.tier = b->ask.tier,
		.model = slot->request.model,
		.class_name = b->class_name,
		.deadline_ms = b->deadline_in_ms ? now + b->deadline_in_ms : 0,
		.explicit_id = 1,
		.detach = 1, /* what runs when we go is what another run finds */
		.max_tokens = slot->request.max_tokens,
	};
	struct og_message m = {.exchange = OG_X_JOBS,
		.routing_key = OG_K_INTAKE,
		.persistent = true,
		.body = slot->request.body,
		.body_len = slot->request.body_len};

	og_envelope_encode(&e, &m);
	/* A name that the cluster would refuse is refused here. */
	if (og_envelope_decode(&m, &e, err) < 0 || og_session_publish(r->session, &m, on_settled, slot, err) < 0)
		return -1;
	slot->publishing++;
	slot->state = OG_SLOT_FLYING;
	slot->heard_ms = (int64_t)uv_now(r->turn.loop);
	return 0;
}

void og_batch_send_ready(struct og_batch_run *r)
{
	struct og_error err;

	for (int64_t i = 0; i < r->batch->window && r->up && !r->full && !r->over; i++) {
		struct og_slot *slot = &r->slots[i];

		if (slot->state != OG_SLOT_READY || publish(r, slot, &err) == 0)
			continue;
		if (err.kind == OG_BUSY) {
			r->full = true;
		} else {
			og_batch_fail(r, slot->request.custom_id, slot->request.id, slot->number, "invalid_request",
				err.message);
			og_batch_drop(slot);
		}
	}
}
