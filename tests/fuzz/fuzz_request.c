/* A request of anyone's making: it is refused with words, or every dialect can put it to its engine. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "engine/dialect.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put(const struct og_dialect *dialect, const struct og_request *q)
{
	const char *path = NULL;
	json_t *body = dialect->request(q, "model", &path);
	og_autofree char *text = json_dumps(body, JSON_COMPACT);

	if (!text || !path || *path != '/' || !json_is_true(json_object_get(body, "stream")) ||
		strcmp(json_string_value(json_object_get(body, "model")), "model") != 0)
		abort();
	json_decref(body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct og_request q;
	struct og_error err = {0};

	if (og_request_parse("id", NULL, data, size, &q, &err) < 0) {
		if (err.kind != OG_INVALID || !*err.message)
			abort();
		return 0;
	}
	put(&og_dialect_openai, &q);
	put(&og_dialect_ollama, &q);
	og_request_done(&q);
	return 0;
}
