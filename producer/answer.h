/* How a job ended, for the user: the text on stdout, or what went wrong on stderr, and the exit status. */
#ifndef OG_ANSWER_H
#define OG_ANSWER_H

#include <jansson.h>
#include <stdbool.h>

#include "model/job.h"
#include "screen.h"

/* The exit status for an error type of docs/PROTOCOL.md: OG_EXIT_NOT_FOUND for what does not exist, OG_EXIT_BUSY for
 * what may work again soon, OG_EXIT_USAGE and OG_EXIT_NOT_ALLOWED for what should not have been asked, and
 * `otherwise` for the rest. */
enum og_exit og_answer_exit(const char *error_type, enum og_exit otherwise);

/* Whether an RPC's answer is an error; then its type and message, borrowed from it. */
bool og_answer_refused(const json_t *answer, const char **ret_type, const char **ret_message);

/* The text of a done body, that of its response's first choice: "" where that calls a tool instead. NULL: it has no
 * answer. Borrowed from it. */
const char *og_answer_text(const json_t *result, size_t *ret_len);

/* The end of job `id`, for the user. `result` is the done body (borrowed; NULL: there is none). As JSON it is printed
 * whole, with id, state and text; else an error is told, and a text left to the caller, who may have shown a part
 * of it. */
enum og_exit og_answer_end(
	struct og_screen *screen, bool json, const char *id, enum og_state state, const json_t *result);

#endif
