/* What the cluster answers, put into Ollama's words: one JSON object a line, the last one with `done`. Pure. */
#ifndef OG_API_OLLAMA_EVENTS_H
#define OG_API_OLLAMA_EVENTS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "model/names.h"

#define OG_OLLAMA_TIME_MAX 40

/* Of which request it is the answer. */
struct og_ollama_answer {
	char name[OG_NAME_MAX]; /* of the model, as the client wrote it */
	bool generate;          /* the text is `response`; else in a `message` */
	bool hide_thinking;
};

/* "2026-01-02T03:04:05.678Z"; `ret` has OG_OLLAMA_TIME_MAX bytes. */
const char *og_ollama_time(int64_t wall_ms, char *ret);

/* Each appends lines. An event of the engine that says nothing gives none. */
void og_ollama_chunk(
	const struct og_ollama_answer *a, int64_t now_ms, const char *data, size_t len, struct og_buf *out);
/* While nothing comes. A line of JSON like the others, as NDJSON has no comments; `ahead` -1: unknown. */
void og_ollama_waiting(const struct og_ollama_answer *a, int64_t now_ms, int64_t ahead, struct og_buf *out);
/* The end of a stream whose done body this is: the calls of tools, which Ollama gives whole, and the last line. -1: the
 * body is not an answer, and nothing was appended. */
int og_ollama_tail(const struct og_ollama_answer *a, int64_t now_ms, const char *done, size_t len, struct og_buf *out);
/* All in one object, of a done body; a new reference. NULL: it is not an answer. */
json_t *og_ollama_whole(const struct og_ollama_answer *a, int64_t now_ms, const char *done, size_t len);
/* What a request gets that asked for nothing but to have the model loaded, or put away. */
json_t *og_ollama_loaded(const struct og_ollama_answer *a, int64_t now_ms, bool unload);

/* Adds to `line` what the done body says of the prompt: total_duration, load_duration, prompt_eval_count. */
void og_ollama_add_prompt_metrics(json_t *line, const json_t *done);

#endif
