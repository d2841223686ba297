/* Which trace a request belongs to, as the W3C writes it (https://www.w3.org/TR/trace-context/). We make no spans of our own: what is
 * valid goes on as it came, what is not is left out, as the standard has it. Pure. */
#ifndef OG_MODEL_TRACE_H
#define OG_MODEL_TRACE_H

#include <stdbool.h>

#define OG_TRACEPARENT_LEN 55  /* of version 00 */
#define OG_TRACE_ID_LEN    32  /* hex digits */
#define OG_TRACESTATE_MAX  512 /* bytes, as many as everybody has to carry */

/* The traceparent in `text` (NULL: there is none) in the words of version 00; a later version says more behind it, which is not ours
 * to pass on. False: it is none, and *ret is untouched. */
bool og_traceparent_read(const char *text, char ret[static OG_TRACEPARENT_LEN + 1]);
void og_trace_id(const char traceparent[static OG_TRACEPARENT_LEN + 1], char ret[static OG_TRACE_ID_LEN + 1]);

/* Whether it may go on beside a valid traceparent: members `key=value` with commas between. */
bool og_tracestate_valid(const char *text);

#endif
