/* Counting tokens with a server of OpenAI's kind. There is no common way, so that they are tried in turn:
 *
 *   messages: llama.cpp's /v1/chat/completions/input_tokens
 *             └ no such path: an older llama.cpp's /apply-template, and the prompt it makes goes to /tokenize
 *               └ no such path: vLLM's /tokenize, which takes messages
 *                 └ no such path: an estimate
 *   texts:    /tokenize, of both; no such path: an estimate */
#ifndef OG_WORKER_OPENAI_COUNT_H
#define OG_WORKER_OPENAI_COUNT_H

#include "engine/dialect.h"

/* As `turn` of a dialect. */
void og_openai_count(struct og_dialect_talk *t, json_t *answer, struct og_dialect_turn *ret);

#endif
