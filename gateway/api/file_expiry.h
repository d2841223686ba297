/* When a file goes by itself, as OpenAI's clients say it: {"anchor": "created_at", "seconds": 3600}. Pure. */
#ifndef OG_API_FILE_EXPIRY_H
#define OG_API_FILE_EXPIRY_H

#include "api/refusal.h"

#define OG_FILE_KEEP_MAX_S (INT64_C(30) * 86400)

/* `what`: how the member is called, for the words and as the refusal's param; static. NULL or null: nothing is said, *ret_s is 0. */
int og_file_expiry(const char *what, const json_t *said, int64_t *ret_s, struct og_refusal *why);
/* The same of a form's fields, <what>[anchor] and <what>[seconds]; NULL: there is none. */
int og_file_expiry_of_form(
	const char *what, const char *anchor, const char *seconds, int64_t *ret_s, struct og_refusal *why);

#endif
