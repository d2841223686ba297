#include "upgrade.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "model/names.h"

/* Asked by taking a look at its first message: a broker whose statistics are off (as ours) counts nothing for us. What a
 * consumer holds cannot be seen, so nobody may read it now. */
static int is_empty(const struct og_management *m, const char *queue_path, bool *ret, struct og_error *err)
{
	og_autofree char *path = og_printf("%s/get", queue_path);
	json_t *look = json_pack(
		"{s:i, s:s, s:s, s:i}", "count", 1, "ackmode", "ack_requeue_true", "encoding", "base64", "truncate", 1);
	json_t *messages = NULL;
	int rc = og_management_call(m, "POST", path, look, &messages, NULL, err);

	if (rc == 0)
		*ret = json_is_array(messages) && json_array_size(messages) == 0;
	json_decref(messages);
	json_decref(look);
	return rc;
}

static const char *text_of(const json_t *item, const char *field)
{
	const char *text = json_string_value(json_object_get(item, field));

	return text ? text : "";
}

static bool is_in_the_table(const json_t *desired, const char *section, const char *name)
{
	json_t *item;
	size_t i;

	json_array_foreach(json_object_get(desired, section), i, item)
	{
		if (strcmp(text_of(item, "name"), name) == 0)
			return true;
	}
	return false;
}

/* What is not there any more is as good: a queue takes its bindings with it. */
static int delete_it(const struct og_management *m, const char *path, struct og_error *err)
{
	int status = 0;

	return og_management_call(m, "DELETE", path, NULL, NULL, &status, err) == 0 || status == 404 ? 0 : -1;
}

/* A routing key is its own properties key where there are no arguments. */
static int delete_binding(const struct og_management *m, const char *vhost, const json_t *item, struct og_error *err)
{
	og_autofree char *path = og_printf("/api/bindings/%s/e/%s/q/%s/%s", vhost, text_of(item, "source"),
		text_of(item, "destination"), text_of(item, "routing_key"));

	return delete_it(m, path, err);
}

/* Nothing comes in any more: what is published comes back to who published it. apply binds it again. */
static int shut(const struct og_management *m, const char *vhost, const json_t *desired, const char *queue,
	struct og_error *err)
{
	json_t *binding;
	size_t i;

	json_array_foreach(json_object_get(desired, "bindings"), i, binding)
	{
		if (strcmp(text_of(binding, "destination"), queue) == 0 && delete_binding(m, vhost, binding, err) != 0)
			return -1;
	}
	return 0;
}

/* A queue of another version's arguments, when nothing is in it: it is made anew afterwards. Not those that workers
 * read, who may hold what is in them. */
static int remove_queue(const struct og_management *m, const char *vhost, const json_t *item, const json_t *desired,
	struct og_error *err)
{
	const char *name = text_of(item, "name");
	og_autofree char *path = og_printf("/api/queues/%s/%s", vhost, name);
	bool empty = false;

	if (strncmp(name, "og.tier.", strlen("og.tier.")) == 0)
		return 0;
	if (shut(m, vhost, desired, name, err) != 0 || is_empty(m, path, &empty, err) != 0)
		return -1;
	if (!empty)
		return 0;
	printf("replaced: queue %s\n", name);
	return delete_it(m, path, err);
}

/* A binding between an exchange and a queue of ours that this version has no more: what goes there would come twice. */
static int remove_binding(const struct og_management *m, const char *vhost, const json_t *item, const json_t *desired,
	struct og_error *err)
{
	const char *from = text_of(item, "source"), *to = text_of(item, "destination"),
		   *key = text_of(item, "routing_key");

	if (!*key || !is_in_the_table(desired, "exchanges", from) || !is_in_the_table(desired, "queues", to))
		return 0;
	printf("removed: binding %s %s queue %s\n", from, key, to);
	return delete_binding(m, vhost, item, err);
}

static bool is_outdated(const struct og_drift *d)
{
	return (d->kind == OG_DRIFT_DIFFERENT && strcmp(d->section, "queues") == 0) ||
	       (d->kind == OG_DRIFT_EXTRA && strcmp(d->section, "bindings") == 0);
}

/* A scheduler reads nearly every queue, and holds what it reads. */
static int refuse_while_one_leads(const struct og_management *m, const char *vhost, struct og_error *err)
{
	og_autofree char *path = og_printf("/api/queues/%s/%s", vhost, OG_Q_LEADER);
	int status = 0;

	if (og_management_call(m, "GET", path, NULL, NULL, &status, err) == 0)
		return og_fail(err, OG_FATAL,
			"a scheduler leads, and what it holds would be lost: stop the schedulers, then upgrade");
	return status == 404 ? 0 : -1; /* whoever cannot tell does not say that nobody leads */
}

int og_upgrade_remove(const struct og_management *m, const char *vhost, const json_t *desired,
	const struct og_drifts *drifts, struct og_error *err)
{
	bool any = false;
	int rc = 0;

	for (size_t i = 0; i < drifts->n; i++)
		any = any || is_outdated(&drifts->items[i]);
	if (any && refuse_while_one_leads(m, vhost, err) != 0)
		return -1;

	for (size_t i = 0; rc == 0 && i < drifts->n; i++) {
		const struct og_drift *d = &drifts->items[i];

		if (d->kind == OG_DRIFT_DIFFERENT && strcmp(d->section, "queues") == 0)
			rc = remove_queue(m, vhost, d->item, desired, err);
		else if (d->kind == OG_DRIFT_EXTRA && strcmp(d->section, "bindings") == 0)
			rc = remove_binding(m, vhost, d->item, desired, err);
	}
	return rc;
}
