/* A file's record is due when it expires (store/records.h). Its bytes go first: a gateway that dies between the two leaves a
 * record that is due again, never bytes that nobody knows of. (Those are left by one that dies as a file is made: strays.h.) */
#include "files/keeper.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/files.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "files/parts.h"
#include "files/strays.h"
#include "model/names.h"

#define LOOK_MS  2000
#define LEASE_MS 30000
#define TAKE_MAX 100                           /* files a look */
#define SWEEP_MS (INT64_C(10) * 60 * 1000)     /* between two looks for parts */
#define WALK_MS  (INT64_C(6) * 60 * 60 * 1000) /* likewise for strays */

struct og_file_keeper {
	struct og_api *api;
	uv_timer_t timer;
	uv_work_t sweep;
	char owner[OG_ID_LEN + 1];
	char *folder;
	int swept, failed; /* files; errno */
	int64_t sweep_ms;  /* when the next sweep is */
	int64_t walk_ms;   /* likewise */
	bool asking, sweeping, walking, closed, timer_closed;
};

static void free_when_quiet(struct og_file_keeper *k)
{
	if (!k->closed || !k->timer_closed || k->asking || k->sweeping || k->walking)
		return;
	free(k->folder);
	free(k);
}

/* ── files that have expired ── */

static void remove_file(struct og_file_keeper *k, const char *id)
{
	og_autofree char *path = og_file_path(k->api, id);

	if (unlink(path) < 0 && errno != ENOENT) {
		og_error_log("A file that has expired cannot be removed", "file=%s why=%d", id, errno);
		return;
	}
	og_info("file", "file=%s status=expired", id);
	og_record_remove(k->api->store, &k->api->kinds.files, NULL, id, NULL, NULL, NULL);
}

static void look(struct og_file_keeper *k);

static void on_claimed(void *ctx, json_t *const *records, size_t n, bool more, const struct og_error *err)
{
	struct og_file_keeper *k = ctx;

	(void)more;
	k->asking = false;
	for (size_t i = 0; i < n && !err && !k->closed; i++)
		remove_file(k, json_string_value(json_object_get(records[i], "id")));
	if (n == TAKE_MAX && !k->closed)
		look(k);
	free_when_quiet(k);
}

static void look(struct og_file_keeper *k)
{
	k->asking = og_records_claim(k->api->store, &k->api->kinds.files, k->owner, LEASE_MS, TAKE_MAX, on_claimed, k,
			    NULL) == 0;
}

/* ── parts of the dead: in a thread, for the folder may be large, and far away ── */

static void in_thread(uv_work_t *work)
{
	struct og_file_keeper *k = work->data;

	k->swept = og_parts_sweep(k->folder, og_clock_wall_ms() - OG_PART_OLD_MS);
	k->failed = k->swept < 0 ? errno : 0;
}

static void on_swept(uv_work_t *work, int status)
{
	struct og_file_keeper *k = work->data;

	(void)status;
	k->sweeping = false;
	if (k->failed)
		og_error_log("The folder of files cannot be read", "folder=%s why=%d hint=\"gateway.files\"", k->folder,
			k->failed);
	else if (k->swept)
		og_info("file", "status=swept parts=%d", k->swept);
	free_when_quiet(k);
}

static void on_walked(void *ctx)
{
	struct og_file_keeper *k = ctx;

	k->walking = false;
	free_when_quiet(k);
}

/* ── life ── */

static void on_look(uv_timer_t *timer)
{
	struct og_file_keeper *k = timer->data;
	int64_t now = og_clock_mono_ms();

	if (!k->asking && og_store_is_up(k->api->store))
		look(k);
	if (!k->walking && now >= k->walk_ms && og_store_is_up(k->api->store)) {
		k->walk_ms = now + WALK_MS;
		k->walking = true;
		og_strays_walk(k->api, og_clock_wall_ms() - OG_STRAY_OLD_MS, on_walked, k);
	}
	if (now < k->sweep_ms || k->sweeping)
		return;
	k->sweep_ms = now + SWEEP_MS;
	k->sweeping = uv_queue_work(k->api->loop, &k->sweep, in_thread, on_swept) == 0;
}

struct og_file_keeper *og_file_keeper_open(struct og_api *api)
{
	struct og_file_keeper *k = og_new(struct og_file_keeper);

	k->api = api;
	k->folder = og_strdup(api->settings->gateway_files);
	k->sweep.data = k;
	og_uuid_new(k->owner);
	uv_timer_init(api->loop, &k->timer);
	k->timer.data = k;
	uv_timer_start(&k->timer, on_look, LOOK_MS, LOOK_MS);
	return k;
}

static void on_timer_closed(uv_handle_t *handle)
{
	struct og_file_keeper *k = handle->data;

	k->timer_closed = true;
	free_when_quiet(k);
}

void og_file_keeper_close(struct og_file_keeper *k)
{
	if (!k)
		return;
	k->closed = true;
	uv_close((uv_handle_t *)&k->timer, on_timer_closed);
}
