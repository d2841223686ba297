#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/files.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "batch/run_state.h"
#include "model/json.h"
#include "webhook/webhooks.h"

#define TICK_MS  200
#define HOLD_MS  (OG_BATCH_LEASE_MS / 4)
#define PIECE    (64 * 1024)
#define COUNT_AT (4u * 1024 * 1024) /* bytes that are counted before the loop has its turn */

static json_t *object_of(const struct og_batch_run *r)
{
	return json_object_get(r->record, "batch");
}

static const char *text_at(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

const char *og_batch_run_id(const struct og_batch_run *r)
{
	return r->id;
}

/* ── its end ── */

static void close_file(FILE **f)
{
	if (*f)
		fclose(OG_TAKE(*f));
}

static void on_timer_closed(uv_handle_t *handle)
{
	struct og_batch_run *r = handle->data;

	json_decref(r->record);
	free(r->out_path);
	free(r->err_path);
	free(r->line);
	free(r);
}

static void let_go(struct og_batch_run *r)
{
	og_batch_drop_items(r);
	og_key_unwatch(&r->watch);
	og_key_drop(r->key);
	close_file(&r->in);
	close_file(&r->out);
	close_file(&r->err);
	unlink(r->out_path);
	unlink(r->err_path);
	uv_close((uv_handle_t *)&r->timer, on_timer_closed);
}

/* What is waited for comes first: it is called back with the run. */
static void go_when_quiet(struct og_batch_run *r)
{
	uv_timer_stop(&r->timer);
	if (r->waits || r->asks)
		return;
	if (!r->dropped)
		r->over(r->ctx, r);
	let_go(r);
}

static void leave(struct og_batch_run *r)
{
	r->leaving = true;
	go_when_quiet(r);
}

void og_batch_run_drop(struct og_batch_run *r)
{
	r->dropped = true;
	og_batch_drop_items(r); /* the line goes before the store has answered */
	go_when_quiet(r);
}

bool og_batch_is_left(struct og_batch_run *r)
{
	if (!r->dropped && !r->leaving)
		return false;
	go_when_quiet(r);
	return true;
}

/* One that was waited for. False: the run is gone, or is to be left. */
static bool came(struct og_batch_run *r)
{
	r->waits--;
	return !og_batch_is_left(r);
}

/* ── its record ── */

static void put_counts(struct og_batch_run *r)
{
	json_object_set_new(object_of(r), "request_counts",
		json_pack("{s:I, s:I, s:I}", "total", (json_int_t)r->total, "completed", (json_int_t)r->completed,
			"failed", (json_int_t)r->failed));
}

/* Writes the record as ours; `due_in_ms` -1: there is nothing left to do on it. */
static int put_record(struct og_batch_run *r, int64_t due_in_ms, og_record_said_cb *cb)
{
	const struct og_record_put put = {.id = r->id,
		.tenant = r->tenant,
		.record = r->record,
		.there = true,
		.owner = r->owner,
		.due_in_ms = due_in_ms,
		.held_by = due_in_ms < 0 ? NULL : r->owner};
	int rc;

	put_counts(r);
	rc = og_record_put(r->api->store, &r->api->kinds.batches, &put, cb, r, NULL);
	r->waits += rc == 0;
	return rc;
}

static void on_held(void *ctx, bool yes, const struct og_error *err)
{
	struct og_batch_run *r = ctx;

	if (came(r) && !err && !yes)
		leave(r); /* another one has it */
}

/* As files/parts.h has it: they are being written. */
static void touch_files(const struct og_batch_run *r)
{
	if (r->out)
		futimens(fileno(r->out), NULL);
	if (r->err)
		futimens(fileno(r->err), NULL);
}

static void tell(struct og_batch_run *r, int64_t now)
{
	r->held_ms = now;
	put_record(r, OG_BATCH_LEASE_MS, on_held);
}

/* ── its files ── */

static void on_ended(void *ctx, bool yes, const struct og_error *err)
{
	struct og_batch_run *r = ctx;

	(void)yes;
	if (!came(r))
		return;
	if (err && err->kind == OG_RETRY) {
		r->ending = false; /* the tick tries again */
		return;
	}
	og_watch_look(r->api, r->id);
	og_info("batch", "batch=%s status=%s total=%lld completed=%lld failed=%lld", r->id,
		text_at(object_of(r), "status"), (long long)r->total, (long long)r->completed, (long long)r->failed);
	leave(r);
}

static void stamp(struct og_batch_run *r, const char *status, const char *when)
{
	json_object_set_new(object_of(r), "status", json_string(status));
	json_object_set_new(object_of(r), when, json_integer(og_clock_wall_ms() / 1000));
}

static void put_end(struct og_batch_run *r)
{
	static const char *const ends[][2] = {[OG_BATCH_RUNS] = {"completed", "completed_at"},
		[OG_BATCH_CANCELLED] = {"cancelled", "cancelled_at"},
		[OG_BATCH_EXPIRED] = {"expired", "expired_at"},
		[OG_BATCH_REVOKED] = {"failed", "failed_at"},
		[OG_BATCH_BAD] = {"failed", "failed_at"}};

	stamp(r, ends[r->why][0], ends[r->why][1]);
	if (put_record(r, -1, on_ended) < 0)
		r->ending = false;
}

/* The file at `path`, written to its end, as the batch's `what`. Its id is the same whoever ends the batch. What was answered was asked for
 * while there was room, and is paid: it is kept though there may be none any more. */
static int keep_file(struct og_batch_run *r, FILE *f, const char *path, const char *what)
{
	og_autofree char *key = og_printf("file %s", what), *name = og_printf("%s_%s.jsonl", r->id, what), *to = NULL;
	char uuid[OG_ID_LEN + 1], id[OG_FILE_ID_SIZE];
	og_autofree char *field = og_printf("%s_file_id", what);
	struct og_record_put put = {.id = id, .tenant = r->tenant, .bytes = ftello(f), .in_any_case = true};
	json_t *object;

	if (!put.bytes)
		return 0;
	og_uuid_of_key(r->id, key, uuid);
	og_file_id_of(uuid, id);
	to = og_file_path(r->api, id);
	if (fflush(f) != 0 || fsync(fileno(f)) != 0 || rename(path, to) != 0)
		return -1;
	object = og_file_object(r->api, id, name, OG_FILE_BATCH_OUTPUT, put.bytes,
		json_integer_value(json_object_get(r->record, "output_keep_s")), &put.due_in_ms);
	put.record = object;
	json_object_set_new(object_of(r), field, json_string(id));
	/* In order on one connection: it is there before the batch's end is. */
	if (og_record_put(r->api->store, &r->api->kinds.files, &put, NULL, NULL, NULL) < 0) {
		json_decref(object);
		return -1;
	}
	json_decref(object);
	return 0;
}

static void finish(struct og_batch_run *r)
{
	if (r->ending || !og_store_is_up(r->api->store))
		return;
	r->ending = true;
	if ((r->out && keep_file(r, r->out, r->out_path, "output") < 0) ||
		(r->err && keep_file(r, r->err, r->err_path, "error") < 0)) {
		og_error_log("A batch's file cannot be kept", "batch=%s why=%d", r->id, errno);
		leave(r); /* another one, or we, try again from the start */
		return;
	}
	put_end(r);
}

/* ── its way ── */

static void blame(struct og_batch_run *r, const char *code, const char *words)
{
	json_object_set_new(object_of(r), "errors",
		json_pack("{s:s, s:[{s:s, s:s, s:n, s:n}]}", "object", "list", "data", "code", code, "message", words,
			"line", "param"));
}

static void fail_whole(struct og_batch_run *r, const char *code, const char *words)
{
	r->why = OG_BATCH_BAD;
	r->eof = r->counted = true;
	blame(r, code, words);
}

/* How many lines there are, a piece at a time. */
static void count(struct og_batch_run *r)
{
	char piece[PIECE];
	size_t len = 1;

	for (size_t seen = 0; seen < COUNT_AT && len; seen += len) {
		len = fread(piece, 1, sizeof(piece), r->in);
		if (og_batch_count_piece(&r->count, piece, len) < 0) {
			fail_whole(r, "line_too_large", "a line of the input file is above 8 MiB");
			return;
		}
	}
	if (len)
		return;
	r->total = og_batch_count_end(&r->count);
	r->counted = true;
	rewind(r->in);
	if (!r->total)
		fail_whole(r, "empty_file", "the input file has no lines");
	else if (!strcmp(text_at(object_of(r), "status"), "validating"))
		stamp(r, "in_progress", "in_progress_at");
	tell(r, og_clock_mono_ms());
}

static void on_tick(uv_timer_t *timer);

void og_batch_step(struct og_batch_run *r)
{
	if (r->dropped || r->leaving || !r->counted || r->ending)
		return;
	if (!r->key && r->watch.of && r->why == OG_BATCH_RUNS)
		return; /* what its key may is not known yet */
	if (og_batch_fill(r))
		uv_timer_start(&r->timer, on_tick, 0, TICK_MS);
	if (r->eof && !r->flying)
		finish(r);
}

static void stop_for(struct og_batch_run *r, enum og_batch_why why)
{
	if (r->why != OG_BATCH_RUNS)
		return;
	r->why = why;
	og_batch_stop_items(r);
}

static void on_tick(uv_timer_t *timer)
{
	struct og_batch_run *r = timer->data;
	int64_t now = og_clock_mono_ms();

	if (!r->counted) {
		count(r);
		if (!r->counted)
			uv_timer_start(timer, on_tick, 0, TICK_MS);
	}
	if (og_clock_wall_ms() >= r->expires_ms)
		stop_for(r, OG_BATCH_EXPIRED);
	if (now - r->touched_ms >= HOLD_MS) {
		r->touched_ms = now;
		touch_files(r);
	}
	if (now - r->held_ms >= HOLD_MS && !r->ending && !r->waits)
		tell(r, now);
	og_batch_again(r, now);
	og_batch_step(r);
}

void og_batch_run_cancel(struct og_batch_run *r)
{
	json_object_set_new(object_of(r), "status", json_string("cancelling"));
	json_object_set_new(object_of(r), "cancelling_at", json_integer(og_clock_wall_ms() / 1000));
	stop_for(r, OG_BATCH_CANCELLED);
}

/* Of a key that is no longer in force nothing more is run; the answers that there are stay its tenant's. */
static void on_key(void *ctx, struct og_key *key, const struct og_error *why)
{
	struct og_batch_run *r = ctx;
	og_autofree char *words = NULL;

	if (key) {
		og_key_drop(r->key);
		r->key = og_key_hold(key);
	}
	if (key || r->why != OG_BATCH_RUNS)
		return;
	words = og_printf("%s: what it had asked for is stopped", why->message);
	blame(r, "invalid_api_key", words);
	stop_for(r, OG_BATCH_REVOKED);
}

/* ── its beginning ── */

static FILE *scratch(const struct og_batch_run *r, const char *what, char **ret_path)
{
	*ret_path = og_printf("%s/%s.%s.%s.part", r->api->settings->gateway_files, r->id, r->owner, what);
	return fopen(*ret_path, "we");
}

static void open_files(struct og_batch_run *r)
{
	og_autofree char *path = og_file_path(r->api, text_at(object_of(r), "input_file_id"));

	r->in = fopen(path, "re");
	r->out = scratch(r, "output", &r->out_path);
	r->err = scratch(r, "error", &r->err_path);
	if (!r->in || !r->out || !r->err)
		fail_whole(r, "invalid_input_file", "the input file cannot be read, or the results cannot be written");
}

struct og_batch_run *og_batch_run_start(struct og_api *api, json_t *record, const char *owner,
	void (*over)(void *ctx, struct og_batch_run *r), void *ctx)
{
	struct og_batch_run *r = og_new(struct og_batch_run);
	const char *key;

	*r = (struct og_batch_run){
		.api = api, .record = json_deep_copy(record), .owner = owner, .over = over, .ctx = ctx};
	r->id = text_at(r->record, "id");
	r->tenant = text_at(r->record, "tenant");
	r->endpoint = text_at(object_of(r), "endpoint");
	r->window = api->settings->gateway_batch_window;
	r->expires_ms = json_integer_value(json_object_get(object_of(r), "expires_at")) * 1000;
	r->held_ms = og_clock_mono_ms();
	r->taken_over = strcmp(text_at(object_of(r), "status"), "validating") != 0;
	if (!strcmp(text_at(object_of(r), "status"), "cancelling"))
		r->why = OG_BATCH_CANCELLED;
	uv_timer_init(api->loop, &r->timer);
	r->timer.data = r;
	key = text_at(r->record, "key");
	if (*key)
		og_key_watch(&r->watch, api->store, key, on_key, r);
	og_key_watch_now(api->store);
	open_files(r);
	uv_timer_start(&r->timer, on_tick, 0, TICK_MS);
	return r;
}
