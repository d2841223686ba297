/* The bodies of `presence` and `membership` messages: one table row a key. */
#include "model/presence.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/parse.h"
#include "model/json.h"

#define NAME  OG_JSON_STRING, true, 1, OG_NAME_MAX - 1
#define ID    OG_JSON_STRING, true, OG_ID_LEN, OG_ID_LEN
#define TEXT  OG_JSON_STRING, true, 0, OG_NAME_MAX - 1
#define FLAG  OG_JSON_BOOL, true, 0, 1
#define COUNT OG_JSON_INT, true, 0, 1000000
#define TIME  OG_JSON_INT, true, 0, INT64_C(1) << 53 /* ms: fits a double, in whatever language the other end is */

#define P(field) OG_JSON_AT(struct og_presence, field)
static const struct og_json_row presence_rows[] = {
	{P(node_id), ID},
	{P(node_name), NAME},
	{P(worker), OG_JSON_STRING, true, 0, 3 * OG_NAME_MAX - 1},
	{P(instance), ID},
	{P(serve), FLAG},
	{P(tier), TEXT},
	{P(model), TEXT},
	{P(engine), TEXT},
	{P(region), TEXT},
	{"program_version", offsetof(struct og_presence, version), sizeof(((struct og_presence *)0)->version), TEXT},
	{P(slots), OG_JSON_INT, true, 0, OG_SLOTS_MAX},
	{P(tokens_per_s), OG_JSON_REAL, true, 0, 1000000},
	{P(started_ms), TIME},
	{P(draining), FLAG},
	{P(leaving), FLAG},
	{P(paused), OG_JSON_BOOL, false, 0, 1},
	{P(node_queue), OG_JSON_BOOL, false, 0, 1},
	{P(context), OG_JSON_INT, false, 0, 1000000000},
};

#define R(field) OG_JSON_AT(struct og_presence_run, field)
static const struct og_json_row run_rows[] = {
	{R(id), ID},
	{R(attempt), COUNT},
	{R(run), COUNT},
	{R(epoch), TIME},
	{R(started_ms), TIME},
	{R(lease), OG_JSON_STRING, false, OG_PRESENCE_LEASE, OG_PRESENCE_LEASE},
};

#define M(field) OG_JSON_AT(struct og_member, field)
static const struct og_json_row member_rows[] = {
	{M(id), ID},
	{M(name), NAME},
	{M(serve), FLAG},
};

struct head {
	int64_t version, count;
};
static const struct og_json_row version_rows[] = {{OG_JSON_AT(struct head, version), COUNT}};
static const struct og_json_row count_rows[] = {{OG_JSON_AT(struct head, count), COUNT}};

static json_t *begin(void)
{
	json_t *root = json_object();

	json_object_set_new(root, "version", json_integer(OG_PRESENCE_VERSION));
	return root;
}

static int check_version(const json_t *root, struct og_error *err)
{
	struct head head;

	if (og_json_read(root, version_rows, OG_COUNT(version_rows), &head, err) < 0)
		return -1;
	if (head.version != OG_PRESENCE_VERSION)
		return og_fail(
			err, OG_INVALID, "unknown version %lld, not %d", (long long)head.version, OG_PRESENCE_VERSION);
	return 0;
}

static int check_id(const char *key, const char *id, struct og_error *err)
{
	return og_uuid_valid(id) ? 0 : og_fail(err, OG_INVALID, "'%s' is not a UUID", key);
}

/* An array of objects, each read by `rows` into an array of structs of `size` bytes whose first field is the UUID
 * `id`. */
static int read_items(const json_t *root, const char *name, size_t max, const struct og_json_row *rows, size_t n_rows,
	size_t size, void **ret, size_t *ret_n, struct og_error *err)
{
	og_autofree char *items = NULL;
	const json_t *list, *item;
	size_t i;

	if (og_json_list(root, name, max, &list, err) < 0)
		return -1;
	items = og_alloc(json_array_size(list) * size);
	json_array_foreach(list, i, item)
	{
		if (!json_is_object(item))
			return og_fail(err, OG_INVALID, "'%s' item %zu is not an object", name, i);
		if (og_json_read(item, rows, n_rows, items + i * size, err) < 0 ||
			check_id("id", items + i * size, err) < 0)
			return og_fail_in(err, "'%s' item %zu", name, i);
	}
	*ret = OG_TAKE(items);
	*ret_n = i;
	return 0;
}

static bool lease_valid(const char *lease)
{
	return strspn(lease, "0123456789abcdef") == OG_PRESENCE_LEASE && !lease[OG_PRESENCE_LEASE];
}

static json_t *write_run(const struct og_presence_run *r)
{
	json_t *run = json_object();

	og_json_write(run, run_rows, OG_COUNT(run_rows), r);
	if (!lease_valid(r->lease)) /* one that is refused would take the whole heartbeat with it */
		json_object_del(run, "lease");
	return run;
}

static int check_leases(const struct og_presence *p, struct og_error *err)
{
	for (size_t i = 0; i < p->n_running; i++) {
		const char *lease = p->running[i].lease;

		if (*lease && !lease_valid(lease))
			return og_fail(
				err, OG_INVALID, "'running' item %zu: 'lease' is not of lower-case hex digits", i);
	}
	return 0;
}

char *og_presence_encode(const struct og_presence *p)
{
	json_t *root = begin();
	json_t *running = json_array();

	og_json_write(root, presence_rows, OG_COUNT(presence_rows), p);
	for (size_t i = 0; i < p->n_running; i++)
		json_array_append_new(running, write_run(&p->running[i]));
	json_object_set_new(root, "running", running);
	return og_json_dump(root, 0);
}

/* People see them, in logs and on terminals. */
static int check_words(const struct og_presence *p, struct og_error *err)
{
	const struct {
		const char *key, *text;
	} words[] = {{"node_name", p->node_name}, {"worker", p->worker}, {"tier", p->tier}, {"model", p->model},
		{"engine", p->engine}, {"region", p->region}, {"program_version", p->version}};

	for (size_t i = 0; i < OG_COUNT(words); i++)
		for (const char *c = words[i].text; *c; c++)
			if ((unsigned char)*c < 0x20 || *c == 0x7f)
				return og_fail(err, OG_INVALID, "'%s' holds a control character", words[i].key);
	return 0;
}

static int read_presence(const json_t *root, struct og_presence *p, struct og_error *err)
{
	void *running;

	if (check_version(root, err) < 0 || og_json_read(root, presence_rows, OG_COUNT(presence_rows), p, err) < 0 ||
		check_id("node_id", p->node_id, err) < 0 || check_id("instance", p->instance, err) < 0 ||
		check_words(p, err) < 0)
		return -1;
	if (p->serve && (!*p->tier || !*p->worker))
		return og_fail(err, OG_INVALID, "it serves, but 'tier' or 'worker' is empty");
	if (read_items(root, "running", OG_SLOTS_MAX, run_rows, OG_COUNT(run_rows), sizeof(*p->running), &running,
		    &p->n_running, err) < 0)
		return -1;
	p->running = running;
	return check_leases(p, err);
}

int og_presence_decode(const void *body, size_t len, struct og_presence *ret, struct og_error *err)
{
	struct og_presence p = {0};
	json_t *root;
	int rc;

	if (og_json_parse(body, len, &root, err) < 0)
		return og_fail_in(err, "presence");
	rc = read_presence(root, &p, err);
	json_decref(root);
	if (rc < 0) {
		og_presence_done(&p);
		return og_fail_in(err, "presence");
	}
	*ret = p;
	return 0;
}

void og_presence_done(struct og_presence *p)
{
	if (!p)
		return;
	free(p->running);
	*p = (struct og_presence){0};
}

char *og_membership_encode(const struct og_member *members, size_t n, size_t count)
{
	json_t *root = begin();
	json_t *list = json_array();

	json_object_set_new(root, "count", json_integer((json_int_t)count));
	for (size_t i = 0; i < n && i < OG_MEMBERS_TOLD; i++) {
		json_t *member = json_object();

		og_json_write(member, member_rows, OG_COUNT(member_rows), &members[i]);
		json_array_append_new(list, member);
	}
	json_object_set_new(root, "members", list);
	return og_json_dump(root, 0);
}

int og_membership_decode(
	const void *body, size_t len, struct og_member **ret, size_t *ret_n, size_t *ret_count, struct og_error *err)
{
	struct head head;
	json_t *root;
	void *members = NULL;
	size_t n = 0;
	int rc;

	if (og_json_parse(body, len, &root, err) < 0)
		return og_fail_in(err, "membership");
	rc = check_version(root, err);
	if (!rc)
		rc = og_json_read(root, count_rows, OG_COUNT(count_rows), &head, err);
	if (!rc)
		rc = read_items(root, "members", OG_MEMBERS_TOLD, member_rows, OG_COUNT(member_rows),
			sizeof(struct og_member), &members, &n, err);
	json_decref(root);
	if (rc < 0)
		return og_fail_in(err, "membership");
	*ret = members;
	*ret_n = n;
	*ret_count = (size_t)head.count;
	return 0;
}
