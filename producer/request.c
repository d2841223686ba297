#include "request.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/parse.h"
#include "model/job.h"
#include "model/message.h"
#include "model/names.h"
#include "model/topology.h"

#define CAP_MIB   (OG_BODY_MAX / (1024 * 1024))
#define READ_SIZE (64 * 1024)

static int too_large(const char *what, struct og_error *err)
{
	return og_fail(err, OG_INVALID, "%s is larger than %u MiB: split it", what, CAP_MIB);
}

/* Reads to the end of file, and not a byte more than it takes to see that the cap is passed. */
static int read_all(int fd, const char *what, struct og_buf *out, struct og_error *err)
{
	og_autofree char *piece = og_alloc(READ_SIZE);

	for (;;) {
		ssize_t n = read(fd, piece, READ_SIZE);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return og_fail(err, OG_INVALID, "%s cannot be read: %s", what, strerror(errno));
		if (n == 0)
			return 0;
		if (og_buf_add(out, piece, (size_t)n) < 0)
			return too_large(what, err);
	}
}

static int read_file(const char *path, struct og_buf *out, struct og_error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int rc;

	if (fd < 0)
		return og_fail(err, OG_INVALID, "%s cannot be opened: %s", path, strerror(errno));
	rc = read_all(fd, path, out, err);
	close(fd);
	return rc;
}

static int join_words(char *const *words, int n, struct og_buf *out, struct og_error *err)
{
	for (int i = 0; i < n; i++)
		if ((i && og_buf_adds(out, " ") < 0) || og_buf_adds(out, words[i]) < 0)
			return too_large("the prompt", err);
	return 0;
}

static int check_text(const char *what, const char *text, size_t len, struct og_error *err)
{
	const char *nul = memchr(text, '\0', len);
	size_t bad;

	if (!og_utf8_valid(text, len, &bad))
		return og_fail(err, OG_INVALID, "%s is not valid UTF-8 at byte %zu (0x%02x)", what, bad,
			(unsigned char)text[bad]);
	if (nul)
		return og_fail(err, OG_INVALID, "%s holds a NUL at byte %zu: is it text?", what, (size_t)(nul - text));
	return 0;
}

int og_prompt_read(char *const *words, int n, const char *file, char **ret, size_t *ret_len, struct og_error *err)
{
	struct og_buf text;
	int rc;

	if (!n && !file)
		return og_fail(err, OG_INVALID, "no prompt: give its text, - for stdin, or --file PATH");
	if (n && file)
		return og_fail(err, OG_INVALID, "two prompts: give a text or --file, not both");
	og_buf_init(&text, OG_BODY_MAX);
	if (file)
		rc = read_file(file, &text, err);
	else if (n == 1 && !strcmp(words[0], "-"))
		rc = read_all(STDIN_FILENO, "stdin", &text, err);
	else
		rc = join_words(words, n, &text, err);
	if (!rc && strspn(og_buf_str(&text), " \t\r\n") == text.len)
		rc = og_fail(err, OG_INVALID, "the prompt is empty");
	if (!rc)
		rc = check_text("the prompt", text.data, text.len, err);
	if (rc < 0) {
		og_buf_done(&text);
		return -1;
	}
	*ret_len = text.len;
	*ret = og_buf_take(&text);
	return 0;
}

static json_t *message(const char *role, const char *text, size_t len)
{
	return json_pack("{s:s, s:o}", "role", role, "content", json_stringn(text, len));
}

static int add_stops(json_t *body, const struct og_list *stop, struct og_error *err)
{
	json_t *list = json_array();

	for (size_t i = 0; i < stop->n; i++) {
		if (check_text("--stop", stop->items[i], strlen(stop->items[i]), err) < 0) {
			json_decref(list);
			return -1;
		}
		json_array_append_new(list, json_string(stop->items[i]));
	}
	json_object_set_new(body, "stop", list);
	return 0;
}

int og_request_body(
	const struct og_request *r, const char *text, size_t len, char **ret, size_t *ret_len, struct og_error *err)
{
	json_t *messages, *body;
	char *dump;

	if (r->system && check_text("--system", r->system, strlen(r->system), err) < 0)
		return -1;
	messages = json_array();
	if (r->system)
		json_array_append_new(messages, message("system", r->system, strlen(r->system)));
	json_array_append_new(messages, message("user", text, len));
	body = json_pack("{s:o}", "messages", messages);
	if (r->max_tokens)
		json_object_set_new(body, "max_tokens", json_integer(r->max_tokens));
	if (!isnan(r->temperature))
		json_object_set_new(body, "temperature", json_real(r->temperature));
	if (r->seed != OG_SEED_UNSET)
		json_object_set_new(body, "seed", json_integer(r->seed));
	if (r->stop.n && add_stops(body, &r->stop, err) < 0) {
		json_decref(body);
		return -1;
	}
	dump = json_dumps(body, JSON_COMPACT | JSON_REAL_PRECISION(10));
	json_decref(body);
	if (!dump)
		return og_fail(err, OG_FATAL, "the request cannot be written as JSON");
	*ret_len = strlen(dump);
	if (*ret_len > OG_BODY_MAX) {
		free(dump);
		return too_large("the request", err);
	}
	*ret = dump;
	return 0;
}

int og_request_id_of_key(const char *key, const char *user, char ret[static OG_ID_LEN + 1], struct og_error *err)
{
	size_t len = strlen(key);

	if (!len || len > OG_IDEMPOTENCY_KEY_MAX)
		return og_fail(err, OG_INVALID,
			"--idempotency-key has %zu bytes: it may have 1 to %d; a digest of what it names is short", len,
			OG_IDEMPOTENCY_KEY_MAX);
	og_uuid_of_key(og_tenant_of_user(user), key, ret);
	return 0;
}

int og_request_envelope(
	const struct og_request *r, const char *id, int64_t now_ms, struct og_envelope *ret, struct og_error *err)
{
	enum og_class class;

	if (r->class_name && og_class_parse(r->class_name, &class, err) < 0)
		return og_fail_in(err, "--class");
	*ret = (struct og_envelope){
		.type = OG_T_REQUEST,
		.id = id,
		.content_type = "application/json",
		.timestamp_s = now_ms / 1000,
		.tier = r->tier,
		.model = r->model,
		.class_name = r->class_name,
		.deadline_ms = r->deadline_in_ms ? now_ms + r->deadline_in_ms : 0,
		.stream = r->stream && !r->detach,
		.bundle = r->stream ? OG_BUNDLES_NONE : OG_BUNDLES_MESSAGES, /* we read no chunks of many lines */
		.progress = !r->detach,
		.explicit_id = r->id || r->key,
		.detach = r->detach,
		.max_tokens = r->max_tokens,
		.session = r->session,
		.region = r->region,
		.avoid = r->avoid,
	};
	return 0;
}
