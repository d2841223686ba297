/* A prompt and its options into a request: the checks that need no server, the JSON body, the envelope. */
#ifndef OG_REQUEST_H
#define OG_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/options.h"
#include "model/envelope.h"
#include "model/names.h"

#define OG_SEED_UNSET INT64_MIN

struct og_request {
	const char *model, *tier, *system, *class_name, *id /* NULL: a new one */;
	int64_t max_tokens;                   /* 0: not stated */
	double temperature;                   /* NAN: not stated */
	int64_t seed;                         /* OG_SEED_UNSET: not stated */
	struct og_list stop;                  /* sequences that end the answer */
	int64_t deadline_in_ms;               /* 0: the cluster's default */
	const char *session, *region, *avoid; /* NULL: none */
	const char *key;                      /* an idempotency key, of which the id was made; NULL: none */
	bool stream, detach;
};

/* The prompt's text: the words joined by spaces; "-" as the only word is stdin; `file` (may be NULL) instead of words.
 * INVALID: none or two of them, empty, above the cap, not UTF-8 (with the byte), with a NUL byte. The caller frees. */
int og_prompt_read(char *const *words, int n, const char *file, char **ret, size_t *ret_len, struct og_error *err);

/* The id of an idempotency key of `user`: the same for each user of a tenant. INVALID: the key is empty or too long. */
int og_request_id_of_key(const char *key, const char *user, char ret[static OG_ID_LEN + 1], struct og_error *err);

/* The body: a chat completion request in JSON. The caller frees. INVALID: a system text or a stop sequence that is not
 * UTF-8, or the whole is above the cap. */
int og_request_body(
	const struct og_request *r, const char *text, size_t len, char **ret, size_t *ret_len, struct og_error *err);

/* The envelope but for reply_to; strings are borrowed from `r`; `id` must outlive it. INVALID: an unknown class. */
int og_request_envelope(
	const struct og_request *r, const char *id, int64_t now_ms, struct og_envelope *ret, struct og_error *err);

#endif
