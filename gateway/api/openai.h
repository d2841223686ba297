/* OpenAI's surface (https://platform.openai.com/docs/api-reference). */
#ifndef OG_API_OPENAI_H
#define OG_API_OPENAI_H

#include "api/api.h"
#include "api/prompt.h"

og_handler og_openai_models, og_openai_model, og_openai_chat, og_openai_completions, og_openai_embeddings,
	og_openai_responses;
og_handler og_openai_response, og_openai_response_cancel, og_openai_response_items, og_openai_response_delete;
og_handler og_openai_file_upload, og_openai_files, og_openai_file, og_openai_file_content, og_openai_file_delete;
og_handler og_openai_batch_create, og_openai_batches, og_openai_batch, og_openai_batch_cancel;

/* The envelope of a request whose body names a model. -1: refused. */
int og_openai_envelope(struct og_web_call *c, const json_t *body, char id[static OG_ID_LEN + 1],
	struct og_envelope *ret, struct og_refusal *why);
/* A form's `whole`: the engine's own answer. */
int og_openai_whole(struct og_prompt *p, const struct og_job_end *end, char **ret, size_t *ret_len);

#endif
