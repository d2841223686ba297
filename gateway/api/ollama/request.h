/* What Ollama's clients ask (https://docs.ollama.com/api), put into OpenAI's form, which is what engines are asked in.
 * Pure. */
#ifndef OG_API_OLLAMA_REQUEST_H
#define OG_API_OLLAMA_REQUEST_H

#include "api/refusal.h"
#include "model/names.h"

struct og_ollama_request {
	char model[OG_NAME_MAX]; /* as the client wrote it */
	json_t *body;  /* of chat completions or of completions; NULL: nothing is asked but to have the model at hand */
	bool generate; /* the answer is `response`, not `message` */
	bool stream;   /* unless it is told not to */
	bool unload;   /* with no body: to put the model away */
	bool hide_thinking; /* the client said that it wants none */
	int64_t max_tokens; /* 0: not said */
};

/* Of `model`, or `name` as it was called before. -1: refused. */
int og_ollama_model(const json_t *q, char ret[static OG_NAME_MAX], struct og_refusal *why);
/* Of /api/chat and /api/generate. */
int og_ollama_chat_request(const json_t *q, struct og_ollama_request *ret, struct og_refusal *why);
int og_ollama_generate_request(const json_t *q, struct og_ollama_request *ret, struct og_refusal *why);
void og_ollama_request_done(struct og_ollama_request *r);

/* A new array of OpenAI's messages; NULL: refused (messages.c). */
json_t *og_ollama_messages(const json_t *messages, struct og_refusal *why);
/* A text and its images (base64) as OpenAI's `content`; NULL: refused. `where` names it for the client. */
json_t *og_ollama_content(const char *text, const json_t *images, const char *where, struct og_refusal *why);

#endif
