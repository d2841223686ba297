/* Only first starts wait for others: when a broker dies and comes back, those that use it connect again by themselves.
 *
 * All are stopped by stop_last(), which stops the last that is not stopped; each one that has stopped calls it
 * again. */
#include "service/keeper.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/alloc.h"
#include "base/file.h"
#include "service/child_log.h"
#include "service/kept.h"

#define ROTATE_MS 10000
#define LOG_CAP   (8ll * 1024 * 1024)

struct og_keeper {
	uv_loop_t *loop;
	char *root;
	struct og_keeper_events events;
	struct og_kept_events kept_events;
	struct og_kept *all; /* in the order of their files */
	uv_timer_t rotate;
	bool stopping;   /* for good */
	bool restarting; /* all: when all have stopped they start again */
	bool closed;
};

static void advance(struct og_keeper *k)
{
	struct og_kept *it;

	if (k->stopping || k->restarting)
		return;
	DL_FOREACH(k->all, it)
	{
		if (it->state == OG_KEPT_WAITING)
			og_kept_start(it);
		if (!it->settled && !it->forget)
			return;
	}
}

static void forget(struct og_keeper *k, struct og_kept *it)
{
	DL_DELETE(k->all, it);
	og_kept_forget(it);
}

static void start_all(struct og_keeper *k)
{
	struct og_kept *it, *next;

	DL_FOREACH_SAFE(k->all, it, next)
	{
		if (it->forget) {
			forget(k, it);
			continue;
		}
		it->settled = false;
		it->first_ms = 0;
		og_kept_wait(it);
	}
	advance(k);
}

static void stop_last(struct og_keeper *k)
{
	struct og_kept *last = NULL, *it;

	DL_FOREACH(k->all, it)
	{
		if (it->state != OG_KEPT_STOPPED)
			last = it;
	}
	if (last) {
		og_kept_stop(last);
	} else if (k->stopping) {
		k->events.on_stopped(k->events.ctx);
	} else {
		k->restarting = false;
		start_all(k);
	}
}

static void on_change(void *ctx)
{
	struct og_keeper *k = ctx;

	k->events.on_change(k->events.ctx);
}

static void on_settled(void *ctx)
{
	advance(ctx);
}

static void on_stopped(void *ctx, struct og_kept *it)
{
	struct og_keeper *k = ctx;

	if (k->stopping || k->restarting) {
		stop_last(k);
	} else if (it->forget) {
		forget(k, it);
		on_change(k);
	} else {
		og_kept_wait(it);
		advance(k);
	}
}

void og_keeper_stop(struct og_keeper *k)
{
	if (k->stopping)
		return;
	k->stopping = true;
	stop_last(k);
}

static struct og_kept *find(struct og_kept *all, const char *name)
{
	struct og_kept *it;

	DL_FOREACH(all, it)
	{
		if (strcmp(it->service.name, name) == 0)
			return it;
	}
	return NULL;
}

static int check_free(const struct og_keeper *k, struct og_error *err)
{
	if (k->stopping)
		return og_fail(err, OG_BUSY, "everything is being stopped");
	if (k->restarting)
		return og_fail(err, OG_BUSY, "everything is being restarted: try again when it is ready");
	return 0;
}

int og_keeper_restart(struct og_keeper *k, const char *name, struct og_error *err)
{
	struct og_kept *it = name ? find(k->all, name) : NULL;

	if (check_free(k, err) != 0)
		return -1;
	if (!name) {
		k->restarting = true;
		stop_last(k);
	} else if (!it || it->forget) {
		return og_fail(err, OG_INVALID, "there is no service '%s'", name);
	} else {
		it->again = true;
		og_kept_stop(it);
	}
	return 0;
}

/* ---- the files ---- */

static void free_all(struct og_kept *all)
{
	struct og_kept *it, *next;

	DL_FOREACH_SAFE(all, it, next)
	og_kept_free(it);
}

static int is_service_file(const struct dirent *d)
{
	size_t len = strlen(d->d_name);

	return d->d_name[0] != '.' && len > 4 && strcmp(d->d_name + len - 4, ".ini") == 0;
}

static int read_file(const char *root, const char *path, struct og_kept **all, struct og_error *err)
{
	struct og_kept *it = og_kept_read(root, path, err);

	if (!it)
		return -1;
	if (find(*all, it->service.name)) {
		og_fail(err, OG_INVALID, "%s: there is another service '%s'", path, it->service.name);
		og_kept_free(it);
		return -1;
	}
	DL_APPEND(*all, it);
	return 0;
}

static int read_files(const char *root, struct og_kept **ret, struct og_error *err)
{
	og_autofree char *folder = og_path_join(root, "services");
	struct dirent **files = NULL;
	struct og_kept *all = NULL;
	int n = scandir(folder, &files, is_service_file, alphasort), rc = 0;

	if (n < 0)
		return og_fail(err, OG_INVALID, "cannot read %s: %s", folder, strerror(errno));
	if (n > OG_SUPERVISED_MAX)
		rc = og_fail(
			err, OG_INVALID, "%s holds %d services, and %d are the most", folder, n, OG_SUPERVISED_MAX);
	for (int i = 0; i < n; i++) {
		og_autofree char *path = og_path_join(folder, files[i]->d_name);

		if (rc == 0)
			rc = read_file(root, path, &all, err);
		free(files[i]);
	}
	free(files);
	if (rc == 0)
		*ret = all;
	else
		free_all(all);
	return rc;
}

static bool same_list(char *const *a, char *const *b)
{
	while (*a && *b && strcmp(*a, *b) == 0) {
		a++;
		b++;
	}
	return !*a && !*b;
}

static bool same(const struct og_supervised *a, const struct og_supervised *b)
{
	return same_list(a->args, b->args) && same_list(a->env, b->env) && strcmp(a->ready, b->ready) == 0 &&
	       a->stop_ms == b->stop_ms;
}

static void note(json_t *lists, const char *list, const struct og_kept *it)
{
	json_array_append_new(json_object_get(lists, list), json_string(it->service.name));
}

/* Gives `it` what its file says now; takes `read`. */
static void renew(struct og_kept *it, struct og_kept *read, json_t *lists)
{
	struct og_supervised old = it->service;

	free(it->path);
	it->path = OG_TAKE(read->path);
	if (it->forget || !same(&it->service, &read->service)) {
		note(lists, it->forget ? "started" : "restarted", it);
		it->service = read->service;
		read->service = old;
		it->forget = false;
		it->again = true;
	}
	og_kept_free(read);
}

static int by_path(const struct og_kept *a, const struct og_kept *b)
{
	return strcmp(a->path, b->path);
}

/* Marks what must stop and takes in what is new; then stops and starts. */
static void merge(struct og_keeper *k, struct og_kept *read, json_t *lists)
{
	struct og_kept *it, *next;

	DL_FOREACH(k->all, it)
	{
		struct og_kept *match = find(read, it->service.name);

		if (match) {
			DL_DELETE(read, match);
			renew(it, match, lists);
		} else if (!it->forget) {
			it->forget = true;
			note(lists, "stopped", it);
		}
	}
	DL_FOREACH_SAFE(read, it, next)
	{
		DL_DELETE(read, it);
		og_kept_init(it, k->loop, k->root, &k->kept_events);
		DL_APPEND(k->all, it);
		note(lists, "started", it);
	}
	DL_SORT(k->all, by_path);
	DL_FOREACH_SAFE(k->all, it, next)
	{
		if (it->forget || it->again)
			og_kept_stop(it);
	}
	advance(k);
}

int og_keeper_load(struct og_keeper *k, json_t *ret, struct og_error *err)
{
	struct og_kept *read = NULL;
	json_t *lists;

	if (check_free(k, err) != 0 || read_files(k->root, &read, err) != 0)
		return -1;
	lists = json_pack("{s:[], s:[], s:[]}", "started", "stopped", "restarted");
	merge(k, read, lists);
	if (ret)
		json_object_update(ret, lists);
	json_decref(lists);
	return 0;
}

/* ---- the keeper ---- */

static void on_rotate(uv_timer_t *timer)
{
	struct og_keeper *k = timer->data;
	struct og_kept *it;

	DL_FOREACH(k->all, it)
	og_child_log_rotate(it->log, LOG_CAP);
}

struct og_keeper *og_keeper_new(uv_loop_t *loop, const char *root, const struct og_keeper_events *events)
{
	struct og_keeper *k = og_new(struct og_keeper);

	k->loop = loop;
	k->root = og_strdup(root);
	k->events = *events;
	k->kept_events = (struct og_kept_events){
		.on_change = on_change, .on_settled = on_settled, .on_stopped = on_stopped, .ctx = k};
	uv_timer_init(loop, &k->rotate);
	k->rotate.data = k;
	uv_timer_start(&k->rotate, on_rotate, ROTATE_MS, ROTATE_MS);
	return k;
}

void og_keeper_close(struct og_keeper *k)
{
	struct og_kept *it;

	if (k->closed)
		return;
	k->closed = k->stopping = true;
	uv_close((uv_handle_t *)&k->rotate, NULL);
	DL_FOREACH(k->all, it)
	og_kept_end(it);
}

void og_keeper_free(struct og_keeper *k)
{
	if (!k)
		return;
	free_all(k->all);
	free(k->root);
	free(k);
}

bool og_keeper_ready(const struct og_keeper *k, const char **ret_waiting_for)
{
	struct og_kept *it;

	DL_FOREACH(k->all, it)
	{
		if (it->state == OG_KEPT_READY)
			continue;
		*ret_waiting_for = it->service.name;
		return false;
	}
	return true;
}

json_t *og_keeper_status(const struct og_keeper *k)
{
	json_t *all = json_array();
	struct og_kept *it;

	DL_FOREACH(k->all, it)
	json_array_append_new(all, og_kept_status(it));
	return all;
}
