#include "store/first_key.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "store/key_write.h"
#include "store/store_state.h"

struct og_first_key {
	struct og_gateway_store *store;
	char *path, *draft; /* the draft becomes the file when the key is there */
	char secret[OG_SECRET_LEN + 1], id[OG_KEY_ID_LEN + 1];
	og_first_key_cb *cb;
	void *ctx;
	bool asking, done;
	bool asked; /* the store may know the draft's key */
};

struct og_first_key *og_first_key_new(struct og_gateway_store *s, const char *path, og_first_key_cb *cb, void *ctx)
{
	struct og_first_key *f = og_new(struct og_first_key);

	f->store = s;
	f->path = og_strdup(path);
	f->cb = cb;
	f->ctx = ctx;
	og_secret_make(f->secret);
	og_key_id_make(f->id);
	f->draft = og_printf("%s.%s", path, f->id);
	return f;
}

void og_first_key_free(struct og_first_key *f)
{
	if (!f)
		return;
	if (!f->asked)
		unlink(f->draft);
	free(f->path);
	free(f->draft);
	free(f);
}

static void finish(struct og_first_key *f, const char *secret, const struct og_error *err)
{
	f->done = true;
	if (f->cb)
		f->cb(f->ctx, secret, err);
}

static void on_created(void *ctx, const struct og_redis_reply *reply, const struct og_error *err)
{
	struct og_first_key *f = ctx;
	struct og_error why = {0};

	f->asking = false;
	if (err && err->kind == OG_RETRY)
		return;
	if (err || reply->integer != 1) {
		unlink(f->draft);
		finish(f, NULL, err);
	} else if (rename(f->draft, f->path) != 0) {
		og_error_set(&why, OG_FATAL, "the first API key is in %s, which cannot be renamed to %s: %s", f->draft,
			f->path, strerror(errno));
		finish(f, f->secret, &why);
	} else {
		finish(f, f->secret, NULL);
	}
}

static int write_draft(struct og_first_key *f, struct og_error *err)
{
	og_autofree char *line = og_printf("%s\n", f->secret);

	return og_file_write_atomic(f->draft, line, strlen(line), 0600, err);
}

void og_first_key_try(struct og_first_key *f)
{
	const struct og_key_spec spec = {.name = "first", .tenant = "default", .admin = true};
	struct og_error err = {0};

	if (f->asking || f->done)
		return;
	if (!f->asked && write_draft(f, &err) != 0) {
		og_error_prefix(&err, "the first API key");
		finish(f, NULL, &err);
	} else if (og_key_create(f->store, true, f->id, f->secret, &spec, on_created, f, NULL) == 0) {
		f->asking = f->asked = true;
	}
}
