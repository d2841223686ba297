/* A caller's records, for handlers: found, listed and removed, or the call is refused in its protocol's words. */
#ifndef OG_API_RECORDS_H
#define OG_API_RECORDS_H

#include "api/api.h"

/* The caller's record of this id: `then` has it, and answers the call. `what`: "response", for the words of a 404; static. */
typedef void og_api_record_then(struct og_api *api, struct og_web_call *c, json_t *record);
void og_api_record(struct og_api *api, struct og_web_call *c, const struct og_record_kind *kind, const char *id,
	const char *what, og_api_record_then *then);

/* Answers with a page of the caller's records, as the query's limit, after and order (desc) say. `shape` (NULL: as they are)
 * makes of a record what is shown: a new reference, or NULL: it is left out. */
void og_api_records(struct og_api *api, struct og_web_call *c, const struct og_record_kind *kind,
	json_t *(*shape)(struct og_web_call *c, json_t *record));
/* Those that belong to `owner` (their tenant in the store's words), which the caller may see. */
void og_api_records_of(struct og_api *api, struct og_web_call *c, const struct og_record_kind *kind, const char *owner,
	json_t *(*shape)(struct og_web_call *c, json_t *record));

/* Removes the caller's record: `then` answers the call, after it is gone. */
void og_api_record_remove(struct og_api *api, struct og_web_call *c, const struct og_record_kind *kind, const char *id,
	const char *what, void (*then)(struct og_api *api, struct og_web_call *c, const char *id));

struct og_api_page {
	int64_t limit;
	const char *after;
	bool oldest_first;
};
int og_api_page_of(struct og_web_call *c, struct og_api_page *ret, struct og_refusal *why);
/* OpenAI's list object. Takes over `data`, whose items have ids. */
json_t *og_api_list(json_t *data, bool more);

/* 404 in the words of who asked for `id`; 503 and the like of other errors. */
void og_api_refuse_record(struct og_web_call *c, const char *what, const char *id, const struct og_error *err);

#endif
