/* What of a job's messages is to be shown: chunks and the end in, text out. Pure.
 *
 *   chunk, its seq is next ──▶ its text
 *   chunk, seq skips       ──▶ nothing until the end: the reply queue dropped its head, and `done` holds the whole text
 *   chunk or done of a lower run (attempt, run) ──▶ nothing
 *   chunk or done of a higher run               ──▶ afresh: all that was shown no longer counts
 *   done ──▶ what was not shown yet
 *
 * A `done` that a scheduler writes itself (cancelled, expired, …) and an answer to an RPC belong to no run: attempt 0.
 * They always count. */
#ifndef OG_TRANSCRIPT_H
#define OG_TRANSCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct og_transcript {
	int64_t attempt, run; /* of what is being shown; 0, 0 before the first */
	int64_t next;         /* the seq that comes next */
	bool gap;             /* a chunk of this run is missing */
	bool ended;           /* done was seen: whatever follows is dropped */
	struct og_buf shown;  /* of this run */
};

struct og_piece {
	const char *text; /* len bytes to show, borrowed: from the call's argument or from the stream */
	size_t len;
	bool dropped;   /* the message does not count: a lower run, a repetition, or after the end */
	bool restarted; /* show a break before the text: what was shown before is of a run that ended without result */
};

void og_transcript_init(struct og_transcript *s, size_t cap); /* cap: bytes of one answer */
void og_transcript_done(struct og_transcript *s);

/* A run was heard to start. */
struct og_piece og_transcript_begin(struct og_transcript *s, int64_t attempt, int64_t run);

struct og_piece og_transcript_chunk(
	struct og_transcript *s, int64_t attempt, int64_t run, int64_t seq, const char *text, size_t len);

/* The end. `chunks` is how many the run sent, -1 where that is not known. `text` NULL: there is no answer (failed,
 * cancelled, …): nothing more to show. */
struct og_piece og_transcript_end(
	struct og_transcript *s, int64_t attempt, int64_t run, int64_t chunks, const char *text, size_t len);

/* The text of one chunk's body (a chat completion's chunk, or a completion's): choices[0].delta.content or
 * choices[0].text. NULL where it carries none, or is no such object. The caller frees. */
char *og_transcript_chunk_text(const void *body, size_t body_len, size_t *ret_len);

#endif
