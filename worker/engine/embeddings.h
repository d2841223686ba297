/* Vectors in OpenAI's form, {"object":"list","data":[{"object":"embedding","index":0,"embedding":…}],"model","usage"},
 * whatever the engine gave. Pure. */
#ifndef OG_WORKER_EMBEDDINGS_H
#define OG_WORKER_EMBEDDINGS_H

#include <jansson.h>

#include "base/error.h"

/* A list of these vectors (an array of arrays of numbers), to be filled up by og_embeddings_finish. A new reference. */
json_t *og_embeddings_of(const json_t *vectors, const char *model, json_int_t prompt_tokens);

/* Makes an engine's list what the request asked for: vectors of numbers become base64 where it wants that and the
 * engine took no notice (base64 of little-endian 32-bit floats, as OpenAI has it; it is asked for by OpenAI's own client
 * where nobody says otherwise). -1: RETRY, it is no list of vectors; INVALID, they are of another length than the
 * request's `dimensions`, which some engines overlook. */
int og_embeddings_finish(json_t *list, const json_t *request, struct og_error *err);

#endif
