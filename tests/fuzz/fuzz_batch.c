/* A line of a batch of anyone's making: what is a request has a body that is one, and what became of it is read back. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/parse.h"
#include "batch/request.h"
#include "model/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_error(const struct og_error *err)
{
	if (err->kind != OG_INVALID || !*err->message)
		abort();
}

static void check_back(const char *custom_id, const char *id)
{
	og_autofree char *line = og_batch_error_line(custom_id, id, 7, "failed", "no");
	const char *its_id, *type;
	json_t *root;
	int64_t number;

	if (og_batch_read_back(line, strlen(line), &root, &its_id, &type, &number, NULL) < 0 ||
		strcmp(its_id, custom_id) != 0 || number != 7)
		abort();
	json_decref(root);
}

static void check_request(json_t *line)
{
	const struct og_batch_ask ask = {.tenant = "default"};
	struct og_batch_request r;
	struct og_error err = {0};
	json_t *body;

	if (og_batch_request_make(line, &ask, &r, &err) < 0) {
		check_error(&err);
		return;
	}
	if (!og_uuid_valid(r.id) || og_json_parse(r.body, r.body_len, &body, NULL) < 0)
		abort();
	if (json_object_get(body, "stream"))
		abort();
	json_decref(body);
	check_back(r.custom_id, r.id);
	og_batch_request_done(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *custom_id, *type;
	struct og_error err = {0};
	int64_t number;
	json_t *line;

	if (og_batch_read((const char *)data, size, &line, &custom_id, &err) < 0) {
		check_error(&err);
	} else {
		check_request(line);
		json_decref(line);
	}
	if (og_batch_read_back((const char *)data, size, &line, &custom_id, &type, &number, &err) == 0)
		json_decref(line);
	return 0;
}
