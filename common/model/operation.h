/* What a request asks of an engine: the header og-operation. A scheduler carries it on and needs no more of it than
 * whether one context has to hold the whole request; a worker does it, or says that it knows of none by that name. */
#ifndef OG_MODEL_OPERATION_H
#define OG_MODEL_OPERATION_H

#include <stdbool.h>

#include "base/error.h"

enum og_operation {
	OG_OPERATION_GENERATE,     /* "generate", or no header: an answer, streamed */
	OG_OPERATION_EMBED,        /* "embed": the vectors of texts */
	OG_OPERATION_COUNT_TOKENS, /* "count_tokens": how many tokens a prompt is */
};

const char *og_operation_name(enum og_operation o);
/* `name` NULL: generate. INVALID, with the names that there are. */
int og_operation_parse(const char *name, enum og_operation *ret, struct og_error *err);
bool og_operation_is(const char *name, enum og_operation o);

#endif
