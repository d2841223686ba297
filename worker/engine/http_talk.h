/* A run of an operation that does not stream: one POST after another, as the dialect's turns say. http_run.c holds the
 * call and judges what goes wrong with it. */
#ifndef OG_WORKER_HTTP_TALK_H
#define OG_WORKER_HTTP_TALK_H

#include "base/buf.h"
#include "engine/dialect.h"
#include "model/message.h"

struct og_engine_run;

/* Vectors as text are up to four times as large as the base64 that they may have to become. */
#define OG_TALK_ANSWER_MAX (4 * OG_BODY_MAX)

struct og_http_talk {
	struct og_dialect_talk talk;
	json_t *request;      /* the client's body */
	struct og_buf answer; /* to the question that was asked last */
	bool may_lack;        /* that question */
	json_t *response;     /* once it is there */
};

struct og_http_talk *og_http_talk_new(const struct og_request *q);
void og_http_talk_free(struct og_http_talk *t);

/* Asks the first question. -1: it could not even be asked. */
int og_http_talk_begin(struct og_engine_run *r, struct og_error *err);
/* The engine has no such path as was asked, and need not have it. */
bool og_http_talk_is_lacking(const struct og_engine_run *r);
/* The answer to a question is whole. True: the next one was asked; false: the run has its response, or a fault. */
bool og_http_talk_next(struct og_engine_run *r);

#endif
