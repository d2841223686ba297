/* A request in OpenAI's form, turned into Ollama's own: parameters into `options`, parts into text and images, answers
 * of tools by their names. What is Ollama's already passes through. */
#ifndef OG_WORKER_OLLAMA_REQUEST_H
#define OG_WORKER_OLLAMA_REQUEST_H

#include "engine/dialect.h"

/* As `request` of a dialect. */
json_t *og_ollama_request(const struct og_request *q, const char *model, const char **ret_path);

#endif
