/* A body that is a form (multipart/form-data): its file goes to the disk as it comes, its other fields are kept here. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "web/web_state.h"

#define PARSE_MAX  (32u * 1024) /* of what is looked at at a time */
#define FIELDS_MAX (64u * 1024) /* of all fields but the file */

struct og_web_form {
	struct MHD_PostProcessor *parser;
	struct og_buf fields; /* "name\0value\0…" */
	size_t value;         /* where the last one's value begins; 0: it had no room, and its pieces go nowhere */
	struct og_web_file file;
	int failed; /* errno, where the disk says no */
};

static void begin_field(struct og_web_form *f, const char *key)
{
	size_t room = strlen(key) + 1, end = f->fields.len;

	f->value = 0;
	if (end + 1 + room > FIELDS_MAX)
		return;
	if (end)
		og_buf_add(&f->fields, "", 1);
	og_buf_add(&f->fields, key, room);
	f->value = f->fields.len;
}

/* Its last field, of which nothing but the name is there. */
static bool has_begun(const struct og_web_form *f, const char *key)
{
	size_t room = strlen(key) + 1;

	return f->value && f->fields.len == f->value && f->value >= room &&
	       !strcmp(f->fields.data + f->value - room, key);
}

/* A field whose value had not come with its name is given out as empty first, and then once more from its beginning. */
static void add_field(struct og_web_form *f, const char *key, const char *data, size_t len, uint64_t at)
{
	if (at == 0 && !has_begun(f, key))
		begin_field(f, key);
	if (f->value)
		og_buf_add(&f->fields, data, len);
}

static void add_to_file(struct og_web_form *f, const char *data, size_t len)
{
	if (f->failed || og_write_all(f->file.fd, data, len) == 0)
		f->file.size += (int64_t)len;
	else
		f->failed = errno;
}

static enum MHD_Result on_piece(void *ctx, enum MHD_ValueKind kind, const char *key, const char *filename,
	const char *type, const char *encoding, const char *data, uint64_t at, size_t len)
{
	struct og_web_form *f = ctx;

	(void)kind;
	(void)type;
	(void)encoding;
	if (!key) /* a part without a name is nobody's */
		return MHD_YES;
	if (strcmp(key, "file") != 0) {
		add_field(f, key, data, len, at);
		return MHD_YES;
	}
	if (filename && !f->file.name)
		f->file.name = og_strdup(filename);
	f->file.there = true;
	add_to_file(f, data, len);
	return MHD_YES;
}

void og_web_form_begin(struct og_web_call *c)
{
	struct og_web_form *f = og_new(struct og_web_form);

	og_buf_init(&f->fields, FIELDS_MAX);
	f->file.path = og_printf("%s/%s.part", c->w->config.form_dir, c->id);
	f->file.fd = open(f->file.path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	f->failed = f->file.fd < 0 ? errno : 0;
	f->parser = MHD_create_post_processor(c->mhd, PARSE_MAX, on_piece, f);
	c->form = f;
}

void og_web_form_take(struct og_web_call *c, const char *data, size_t len)
{
	if (c->form->parser)
		MHD_post_process(c->form->parser, data, len);
}

/* The last piece is only given out when the parser goes. */
void og_web_form_end(struct og_web_call *c)
{
	if (c->form && c->form->parser)
		MHD_destroy_post_processor(OG_TAKE(c->form->parser));
}

void og_web_form_free(struct og_web_form *f)
{
	if (!f)
		return;
	if (f->parser)
		MHD_destroy_post_processor(f->parser);
	if (f->file.path)
		unlink(f->file.path);
	og_web_file_done(&f->file);
	og_buf_done(&f->fields);
	free(f);
}

void og_web_file_done(struct og_web_file *file)
{
	if (file->fd >= 0)
		close(file->fd);
	free(file->path);
	free(file->name);
	*file = (struct og_web_file){.fd = -1};
}

const char *og_web_field(const struct og_web_call *c, const char *name)
{
	const char *at = c->form ? og_buf_str(&c->form->fields) : "", *end = at;

	if (c->form)
		end += c->form->fields.len;
	while (at < end) {
		const char *value = at + strlen(at) + 1;

		if (!strcmp(at, name))
			return value < end ? value : "";
		at = value + (value < end ? strlen(value) : 0) + 1;
	}
	return NULL;
}

int og_web_take_file(struct og_web_call *c, struct og_web_file *ret, struct og_error *err)
{
	if (c->form && c->form->failed)
		return og_fail(err, OG_RETRY, "the file cannot be written: %s", strerror(c->form->failed));
	if (!c->form || !c->form->file.there)
		return og_fail(err, OG_INVALID, "the body is to be a form (multipart/form-data) with a part `file`");
	*ret = c->form->file;
	c->form->file = (struct og_web_file){.fd = -1};
	return 0;
}
