/* What differs between engines that are asked over HTTP and stream their answer: paths, the form of a request, the
 * form of an event. http_engine.c does the rest. */
#ifndef OG_WORKER_DIALECT_H
#define OG_WORKER_DIALECT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/engine.h"
#include "io/sse.h"

#define OG_PROBE_STEPS_MAX 4

/* The run that an event belongs to. */
struct og_dialect_run {
	char id[OG_ID_LEN + 1];
	bool chat;
	char model[OG_NAME_MAX];
	int64_t created_s;   /* wall clock */
	uint64_t events;     /* before this one */
	unsigned tool_calls; /* so far; for dialects that have to number them */
};

/* What one event was. */
struct og_dialect_event {
	json_t *chunk; /* a new reference; NULL: nothing to pass on */
	bool verbatim; /* the event's own bytes are the chunk */
	bool end;      /* nothing follows */
	enum og_fault fault;
	char words[OG_ENGINE_WORDS_MAX]; /* with a fault */
};

/* An operation that does not stream: questions, each answered with one JSON object, until the response is there. */
struct og_dialect_talk {
	enum og_operation operation;
	const json_t *request; /* the client's body */
	const char *model;     /* the engine's name for it */

	/* the dialect's own, zeroed at first */
	unsigned phase;
	json_t *texts; /* to be counted; owned */
	size_t n_counted;
	int64_t tokens;
};

/* What comes next of it: a question, the response, or a fault. */
struct og_dialect_turn {
	const char *path; /* NULL: no question */
	bool below_api;   /* the path is; else below the root */
	json_t *body;     /* of the question; a new reference */
	bool may_lack;    /* the engine may have no such path: that is no fault, and an answer of NULL */

	json_t *response; /* in OpenAI's form; a new reference */

	enum og_fault fault;
	char words[OG_ENGINE_WORDS_MAX];
};

struct og_dialect {
	const char *api;     /* where the API begins, below the server's root: "/v1" */
	const char *streams; /* content type of a streamed answer */
	enum og_sse_framing framing;

	/* Asked in turn by a probe. An optional step may be answered by any 4xx; it is given without a body then. */
	struct {
		const char *path;
		bool below_api;
		bool optional;
	} probe[OG_PROBE_STEPS_MAX];
	/* Reads the answer to probe[step] (NULL: none, or no JSON); -1: it does not serve. */
	int (*probed)(size_t step, const json_t *body, struct og_serves *serves, struct og_error *err);

	/* The request in the engine's form; a new reference. *ret_path: below the API. */
	json_t *(*request)(const struct og_request *q, const char *model, const char **ret_path);
	/* `ret` is zeroed. */
	void (*event)(struct og_dialect_run *run, const struct og_sse_event *event, struct og_dialect_event *ret);
	/* `answer`: to the question before; NULL: none was asked yet, or the engine has none. `ret` is zeroed. The first
	 * turn is always a question. */
	void (*turn)(struct og_dialect_talk *talk, json_t *answer, struct og_dialect_turn *ret);
	/* Words of an answer of 500 with which the engine says that the prompt is to blame. NULL at the end. */
	const char *const *blame_words;
};

extern const struct og_dialect og_dialect_openai, og_dialect_ollama;

/* Helpers for dialects. */
void og_dialect_fault(struct og_dialect_event *e, enum og_fault fault, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The last turn of embedding: the engine's list, which is made what the request wants. */
void og_dialect_embedded(const struct og_dialect_talk *talk, json_t *list, struct og_dialect_turn *ret);
/* What an error object (or a string, or {"error": …}, {"message": …}, {"detail": …}) says, cut to `size`; false:
 * nothing. */
bool og_dialect_words(const json_t *error, char *words, size_t size);
/* Adds a name to those served; one that is too long, or one too many, is left out. */
void og_dialect_serves(struct og_serves *serves, const json_t *name);

/* Opens an engine that speaks `dialect`. */
struct og_engine *og_http_engine_open(const struct og_engine_ops *ops, const struct og_dialect *dialect,
	struct og_http *http, const struct og_engine_config *config, struct og_error *err);
int og_http_engine_probe(struct og_engine *e, og_engine_probe_cb *cb, void *ctx, struct og_error *err);
struct og_engine_run *og_http_engine_start(struct og_engine *e, const struct og_request *q, const char *model,
	const struct og_engine_sink *sink, struct og_error *err);
void og_http_engine_cancel(struct og_engine *e, struct og_engine_run *run);
void og_http_engine_close(struct og_engine *e);

#endif
