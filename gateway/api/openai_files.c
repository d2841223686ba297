/* /v1/files: the bytes lie in the shared folder, under the file's id; what they are is a record of the store. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/file_expiry.h"
#include "api/files.h"
#include "api/openai.h"
#include "api/records.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/parse.h"
#include "model/json.h"

#define NAME_MAX_BYTES 512

char *og_file_path(const struct og_api *api, const char *id)
{
	return og_path_join(api->settings->gateway_files, id);
}

void og_file_id_of(const char *uuid, char ret[static OG_FILE_ID_SIZE])
{
	size_t n = strlen(strcpy(ret, "file-"));

	for (const char *at = uuid; *at; at++)
		if (*at != '-')
			ret[n++] = *at;
	ret[n] = '\0';
}

static int64_t usual_keep_s(const struct og_api *api, const char *purpose)
{
	bool of_batch = !strcmp(purpose, "batch") || !strcmp(purpose, OG_FILE_BATCH_OUTPUT);

	return of_batch ? (api->settings->gateway_files_keep_ms + 999) / 1000 : 0;
}

json_t *og_file_object(const struct og_api *api, const char *id, const char *name, const char *purpose, int64_t size,
	int64_t keep_s, int64_t *ret_due_ms)
{
	int64_t now_s = og_clock_wall_ms() / 1000;
	json_t *object = json_pack("{s:s, s:s, s:I, s:I, s:o, s:o, s:s}", "id", id, "object", "file", "bytes",
		(json_int_t)size, "created_at", (json_int_t)now_s, "filename", og_json_text(name), "purpose",
		og_json_text(purpose), "status", "processed");

	if (!keep_s)
		keep_s = usual_keep_s(api, purpose);
	*ret_due_ms = keep_s ? keep_s * 1000 : -1;
	if (keep_s)
		json_object_set_new(object, "expires_at", json_integer(now_s + keep_s));
	return object;
}

/* ── upload ── */

struct upload {
	struct og_api *api;
	struct og_web_call *c; /* NULL: its client has gone */
	struct og_web_file file;
	json_t *object;
	int64_t due_ms; /* in how many it expires; -1: it stays */
	char id[OG_FILE_ID_SIZE], tenant[OG_NAME_MAX];
	uv_fs_t sync;
};

static void upload_free(struct upload *u)
{
	og_web_file_done(&u->file);
	json_decref(u->object);
	free(u);
}

static void on_gone(void *ctx)
{
	struct upload *u = ctx;

	u->c = NULL;
}

static void fail(struct upload *u, const struct og_error *err)
{
	struct og_refusal why;
	char one[32], all[32];

	og_refusal_of_error(err, &why);
	if (err->kind == OG_BUSY)
		og_refuse_with(&why, 413, "too_large",
			"there is no room for this file of %s: all files together may have %s (gateway.files_max). "
			"Remove some (DELETE /v1/files/{id}), let them expire (expires_after), or have the operator "
			"raise it",
			og_format_bytes(u->file.size, one, sizeof(one)),
			og_format_bytes(u->api->settings->gateway_files_max, all, sizeof(all)));
	if (u->c)
		og_refuse(u->c, &why);
	upload_free(u);
}

static void on_recorded(void *ctx, bool yes, const struct og_error *err)
{
	struct upload *u = ctx;
	og_autofree char *path = og_file_path(u->api, u->id);

	(void)yes;
	if (err) {
		if (err->kind != OG_RETRY) /* the record may be there all the same */
			unlink(path);
		fail(u, err);
		return;
	}
	if (u->c)
		og_api_reply_json(u->c, 200, json_incref(u->object));
	upload_free(u);
}

/* On the disk: it gets its name, and then its record. */
static void on_synced(uv_fs_t *sync)
{
	struct upload *u = sync->data;
	og_autofree char *path = og_file_path(u->api, u->id);
	const struct og_record_put put = {
		.id = u->id, .tenant = u->tenant, .record = u->object, .bytes = u->file.size, .due_in_ms = u->due_ms};
	struct og_error err;
	int rc = (int)sync->result;

	uv_fs_req_cleanup(sync);
	if (rc < 0 || rename(u->file.path, path) < 0) {
		og_fail(&err, OG_RETRY, "the file cannot be kept: %s", rc < 0 ? uv_strerror(rc) : strerror(errno));
		unlink(u->file.path);
		fail(u, &err);
		return;
	}
	if (og_record_put(u->api->store, &u->api->kinds.files, &put, on_recorded, u, &err) == 0)
		return;
	unlink(path);
	fail(u, &err);
}

static int check_fields(const struct og_web_call *c, int64_t *ret_keep_s, struct og_refusal *why)
{
	const char *purpose = og_web_field(c, "purpose");

	if (purpose && *purpose && strlen(purpose) <= 64)
		return og_file_expiry_of_form("expires_after", og_web_field(c, "expires_after[anchor]"),
			og_web_field(c, "expires_after[seconds]"), ret_keep_s, why);
	og_refuse_with(why, 400, "missing_required_parameter", "purpose: is missing in the form; for a batch: `batch`");
	why->param = "purpose";
	return -1;
}

static int check(struct og_web_call *c, struct og_web_file *file, int64_t *ret_keep_s, struct og_refusal *why)
{
	struct og_error err;

	if (og_web_take_file(c, file, &err) < 0) {
		og_refusal_of_error(&err, why);
		why->param = "file";
		return -1;
	}
	if (check_fields(c, ret_keep_s, why) == 0)
		return 0;
	unlink(file->path);
	og_web_file_done(file);
	return -1;
}

void og_openai_file_upload(struct og_api *api, struct og_web_call *c)
{
	struct og_web_file file;
	struct og_refusal why;
	struct upload *u;
	char uuid[OG_ID_LEN + 1];
	og_autofree char *name = NULL;
	int64_t keep_s;

	if (check(c, &file, &keep_s, &why) < 0) {
		og_refuse(c, &why);
		return;
	}
	u = og_new(struct upload);
	*u = (struct upload){.api = api, .c = c, .file = file};
	strcpy(u->tenant, og_api_caller(c)->tenant);
	og_uuid_new(uuid);
	og_file_id_of(uuid, u->id);
	name = og_strndup(file.name ? file.name : "file", NAME_MAX_BYTES);
	u->object = og_file_object(api, u->id, name, og_web_field(c, "purpose"), file.size, keep_s, &u->due_ms);
	u->sync.data = u;
	og_web_on_gone(c, on_gone, u);
	uv_fs_fsync(api->loop, &u->sync, file.fd, on_synced);
}

/* ── what there is ── */

static json_t *of_purpose(struct og_web_call *c, json_t *record)
{
	const char *wanted = og_web_query(c, "purpose");
	const char *purpose = json_string_value(json_object_get(record, "purpose"));

	return wanted && (!purpose || strcmp(purpose, wanted) != 0) ? NULL : json_incref(record);
}

void og_openai_files(struct og_api *api, struct og_web_call *c)
{
	og_api_records(api, c, &api->kinds.files, of_purpose);
}

static void show(struct og_api *api, struct og_web_call *c, json_t *record)
{
	(void)api;
	og_api_reply_json(c, 200, json_incref(record));
}

void og_openai_file(struct og_api *api, struct og_web_call *c)
{
	og_api_record(api, c, &api->kinds.files, og_web_part(c, 0), "file", show);
}

/* Its id is one that we made, for it has a record: no path of anybody's. */
static void show_content(struct og_api *api, struct og_web_call *c, json_t *record)
{
	og_autofree char *path = og_file_path(api, json_string_value(json_object_get(record, "id")));
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct og_refusal why;
	struct stat st;

	if (fd >= 0 && fstat(fd, &st) == 0) {
		og_web_reply_file(c, 200, "application/octet-stream", fd, st.st_size);
		return;
	}
	if (fd >= 0)
		close(fd);
	og_refuse_with(&why, 503, "unavailable", "the file cannot be read: are gateway.files and its folder shared?");
	og_refuse(c, &why);
}

void og_openai_file_content(struct og_api *api, struct og_web_call *c)
{
	og_api_record(api, c, &api->kinds.files, og_web_part(c, 0), "file", show_content);
}

/* ── DELETE ── */

static void removed(struct og_api *api, struct og_web_call *c, const char *id)
{
	og_autofree char *path = og_file_path(api, id);

	unlink(path);
	og_api_reply_json(c, 200, json_pack("{s:s, s:s, s:b}", "id", id, "object", "file", "deleted", 1));
}

void og_openai_file_delete(struct og_api *api, struct og_web_call *c)
{
	og_api_record_remove(api, c, &api->kinds.files, og_web_part(c, 0), "file", removed);
}
