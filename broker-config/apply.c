/* apply, upgrade and check. All compare the broker as it should be with what it says of itself (one request). apply posts
 * what differs (one request more; it makes all the queues of the table in about a second), and looks again: what it calls
 * done was seen. upgrade first takes away what cannot be mended by posting (upgrade.h). */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "definitions.h"
#include "drift.h"
#include "secrets.h"
#include "upgrade.h"
#include "verbs.h"

struct view {
	json_t *actual, *desired; /* what the drifts point into */
	struct og_drifts drifts;
};

static void view_done(struct view *v)
{
	og_drifts_done(&v->drifts);
	json_decref(v->actual);
	json_decref(v->desired);
}

static int view_take(
	const struct og_management *m, const struct og_settings *s, bool create, struct view *ret, struct og_error *err)
{
	if (og_definitions_fetch(m, &ret->actual, err) != 0 ||
		og_definitions_desired(s, ret->actual, create, &ret->desired, err) != 0)
		return -1;
	og_drift_find(ret->desired, ret->actual, &ret->drifts);
	return 0;
}

enum og_status og_verb_check(struct og_call *c)
{
	OG_CLEANUP(view_done) struct view view = {0};
	struct og_management m;

	if (og_call_parse(c, NULL, 0, 0) != 0)
		return OG_STATUS_USAGE;
	if (og_management_open(c->settings, &m, &c->err) != 0 || view_take(&m, c->settings, false, &view, &c->err) != 0)
		return OG_STATUS_FAILED;
	for (size_t i = 0; i < view.drifts.n; i++) {
		const struct og_drift *d = &view.drifts.items[i];

		printf("%-9s  %s\n", og_drift_kind_name(d->kind), d->text);
		if (strcmp(d->section, "vhosts") == 0)
			break; /* no vhost, and so nothing in it: that goes without saying, some hundred times */
	}
	return view.drifts.n ? OG_STATUS_DRIFT : OG_STATUS_OK;
}

static void print_applied(const json_t *mending)
{
	const char *section, *comma = "";
	json_t *items;

	printf("applied: ");
	json_object_foreach((json_t *)mending, section, items)
	{
		printf("%s%zu %s", comma, json_array_size(items), section);
		comma = ", ";
	}
	printf("\n");
}

/* What is left is told; what is extra may be somebody's, and is no failure. */
static enum og_status print_left(const struct og_drifts *d)
{
	enum og_status status = OG_STATUS_OK;

	for (size_t i = 0; i < d->n; i++) {
		const struct og_drift *x = &d->items[i];

		fprintf(stderr, "og-broker-config: left as it is: %s %s\n", og_drift_kind_name(x->kind), x->text);
		if (x->kind != OG_DRIFT_EXTRA)
			status = OG_STATUS_DRIFT;
	}
	return status;
}

static enum og_status mend(const struct og_management *m, struct og_call *c, const json_t *mending)
{
	OG_CLEANUP(view_done) struct view after = {0};

	if (og_management_call(m, "POST", "/api/definitions", mending, NULL, NULL, &c->err) != 0 ||
		view_take(m, c->settings, false, &after, &c->err) != 0)
		return OG_STATUS_FAILED;
	print_applied(mending);
	return print_left(&after.drifts);
}

static enum og_status apply(struct og_call *c, bool upgrade)
{
	OG_CLEANUP(view_done) struct view before = {0};
	struct og_management m;
	enum og_status status;
	json_t *mending;

	if (og_call_parse(c, NULL, 0, 0) != 0)
		return OG_STATUS_USAGE;
	/* The administrator's file first: a host that has none is no broker's host, and gets no secrets of one. */
	if (og_management_open(c->settings, &m, &c->err) != 0 || og_secrets_lease_key(c->settings, &c->err) != 0 ||
		view_take(&m, c->settings, true, &before, &c->err) != 0)
		return OG_STATUS_FAILED;
	if (upgrade && before.drifts.n) {
		if (og_upgrade_remove(&m, c->settings->cluster, before.desired, &before.drifts, &c->err) != 0)
			return OG_STATUS_FAILED;
		view_done(&before);
		before = (struct view){0};
		if (view_take(&m, c->settings, true, &before, &c->err) != 0)
			return OG_STATUS_FAILED;
	}
	mending = og_drift_mending(&before.drifts);
	if (!mending) {
		printf("nothing to do\n");
		return print_left(&before.drifts);
	}
	status = mend(&m, c, mending);
	json_decref(mending);
	return status;
}

enum og_status og_verb_apply(struct og_call *c)
{
	return apply(c, false);
}

enum og_status og_verb_upgrade(struct og_call *c)
{
	return apply(c, true);
}
