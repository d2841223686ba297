#include "engine/dialect.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "engine/embeddings.h"

void og_dialect_fault(struct og_dialect_event *e, enum og_fault fault, const char *fmt, ...)
{
	va_list ap;

	e->fault = fault;
	va_start(ap, fmt);
	vsnprintf(e->words, sizeof(e->words), fmt, ap);
	va_end(ap);
}

void og_dialect_embedded(const struct og_dialect_talk *talk, json_t *list, struct og_dialect_turn *ret)
{
	struct og_error err;

	if (og_embeddings_finish(list, talk->request, &err) == 0) {
		ret->response = json_incref(list);
		return;
	}
	ret->fault = err.kind == OG_INVALID ? OG_FAULT_ENGINE_ERROR : OG_FAULT_ENGINE_GARBAGE;
	snprintf(ret->words, sizeof(ret->words), "%.*s", (int)sizeof(ret->words) - 1, err.message);
}

/* Cuts at the start of a character: a message that ends in half of one is no UTF-8. */
static void copy_cut(char *out, size_t size, const char *s, size_t len)
{
	if (len >= size) {
		len = size - 1;
		while (len && ((unsigned char)s[len] & 0xc0) == 0x80)
			len--;
	}
	memcpy(out, s, len);
	out[len] = '\0';
	for (char *p = out; p < out + len; p++) {
		if ((unsigned char)*p < ' ')
			*p = ' ';
	}
}

bool og_dialect_words(const json_t *error, char *words, size_t size)
{
	static const char *const keys[] = {"error", "message", "detail"};

	if (json_is_string(error) && json_string_length(error)) {
		copy_cut(words, size, json_string_value(error), json_string_length(error));
		return true;
	}
	for (size_t i = 0; json_is_object(error) && i < OG_COUNT(keys); i++) {
		if (og_dialect_words(json_object_get(error, keys[i]), words, size))
			return true;
	}
	return false;
}

void og_dialect_serves(struct og_serves *serves, const json_t *name)
{
	size_t len = json_string_length(name);

	if (!len || len >= OG_NAME_MAX || serves->n_models == OG_ENGINE_MODELS_MAX)
		return;
	memcpy(serves->models[serves->n_models++], json_string_value(name), len + 1);
}
