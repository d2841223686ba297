/* A page at a time, for the folder may be large and far away, and so that the store has others to answer between:
 *
 *   ┌──▶ in a thread: removes what the store did not know of the last page; reads the next ── none ──▶ over
 *   └──── the store says which of them it knows ◀──┘                └── it does not answer ──▶ over
 */
#include "files/strays.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "files/stray_page.h"
#include "store/records.h"

struct walk {
	struct og_api *api;
	uv_work_t work;
	char *folder;
	DIR *dir; /* opened by the thread; NULL: not yet, or it cannot be */
	int64_t before_ms;
	struct og_stray_page page;
	size_t removed;
	void (*over)(void *ctx);
	void *ctx;
};

static void finish(struct walk *w)
{
	if (w->removed)
		og_info("file", "status=swept strays=%zu", w->removed);
	if (w->dir)
		closedir(w->dir);
	w->over(w->ctx);
	free(w->folder);
	free(w);
}

static void in_thread(uv_work_t *work)
{
	struct walk *w = work->data;

	if (!w->dir)
		w->dir = opendir(w->folder);
	if (!w->dir)
		return; /* the sweep of parts says why */
	w->removed += og_stray_page_remove(w->dir, w->before_ms, &w->page);
	og_stray_page_read(w->dir, w->before_ms, &w->page);
}

static void on_page(uv_work_t *work, int status);

static void go_on(struct walk *w)
{
	if (uv_queue_work(w->api->loop, &w->work, in_thread, on_page) != 0)
		finish(w);
}

static void on_known(void *ctx, const bool *known, size_t n, bool any, const struct og_error *err)
{
	struct walk *w = ctx;

	if (err || n != w->page.n) {
		finish(w);
	} else if (!any) {
		og_warn("The store knows no file at all, and there are some: they are left alone",
			"folder=%s hint=\"was the store emptied? restore it from its backup; else remove them\"",
			w->folder);
		finish(w);
	} else {
		memcpy(w->page.known, known, n * sizeof(*known));
		go_on(w);
	}
}

static void on_page(uv_work_t *work, int status)
{
	struct walk *w = work->data;
	const char *ids[OG_STRAY_PAGE];

	(void)status;
	for (size_t i = 0; i < w->page.n; i++)
		ids[i] = w->page.ids[i];
	if (!w->page.n || og_records_known(w->api->store, &w->api->kinds.files, ids, w->page.n, on_known, w, NULL) < 0)
		finish(w);
}

void og_strays_walk(struct og_api *api, int64_t before_ms, void (*over)(void *ctx), void *ctx)
{
	struct walk *w = og_new(struct walk);

	*w = (struct walk){.api = api,
		.folder = og_strdup(api->settings->gateway_files),
		.before_ms = before_ms,
		.over = over,
		.ctx = ctx};
	w->work.data = w;
	go_on(w);
}
