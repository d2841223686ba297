/* Ollama's embeddings, of /api/embed and of /api/embeddings before it, put into OpenAI's and back. Pure. */
#ifndef OG_API_OLLAMA_EMBED_H
#define OG_API_OLLAMA_EMBED_H

#include "api/ollama/request.h"

struct og_ollama_embed {
	char model[OG_NAME_MAX]; /* as the client wrote it */
	json_t *body;            /* of OpenAI's embeddings; NULL: there is no text, and so no vector */
	bool legacy;             /* one text, one vector */
};

/* -1: refused. */
int og_ollama_embed_request(const json_t *q, bool legacy, struct og_ollama_embed *ret, struct og_refusal *why);
void og_ollama_embed_done(struct og_ollama_embed *e);

/* Of a done body; a new reference. NULL: it is no embeddings. */
json_t *og_ollama_embeddings(const char *name, bool legacy, const char *done, size_t len);
/* Of no text. */
json_t *og_ollama_no_embeddings(const char *name, bool legacy);

#endif
