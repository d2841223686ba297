#include "model/operation.h"

#include <string.h>

#include "base/alloc.h"

static const char *const names[] = {
	[OG_OPERATION_GENERATE] = "generate",
	[OG_OPERATION_EMBED] = "embed",
	[OG_OPERATION_COUNT_TOKENS] = "count_tokens",
};

const char *og_operation_name(enum og_operation o)
{
	return names[o];
}

int og_operation_parse(const char *name, enum og_operation *ret, struct og_error *err)
{
	for (size_t i = 0; i < OG_COUNT(names); i++) {
		if (!strcmp(name ? name : names[OG_OPERATION_GENERATE], names[i])) {
			*ret = (enum og_operation)i;
			return 0;
		}
	}
	return og_fail(err, OG_INVALID,
		"the operation '%.31s' is none that this worker knows: there are generate, embed and count_tokens",
		name);
}

bool og_operation_is(const char *name, enum og_operation o)
{
	enum og_operation parsed;

	return og_operation_parse(name, &parsed, NULL) == 0 && parsed == o;
}
