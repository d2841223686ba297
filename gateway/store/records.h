/* Records: JSON objects in the store that belong to a tenant, are found by their id, listed newest or oldest first, and go at
 * their time or when there are too many bytes of their kind. Responses, files, batches and webhooks are kinds of them.
 *
 * A record may be *due*: then there is work to do on it, by whichever gateway claims it. The claim is a lease: who holds it
 * goes on holding it (og_record_hold) while it works; of one that died the work is due again when the lease runs out, and
 * what the dead one still writes is not taken.
 *
 *     put with due ──▶ due ── claim ──▶ held by one ── put with due ──▶ due (again, later)
 *                       ▲                 │      └──── put ──▶ no longer due
 *                       └── lease ran out ┘
 */
#ifndef OG_GATEWAY_RECORDS_H
#define OG_GATEWAY_RECORDS_H

#include <jansson.h>

#include "store/store.h"

#define OG_RECORDS_PAGE  1000 /* most of a list at once */
#define OG_RECORDS_KNOWN 50   /* ids that are asked for at once */
#define OG_RECORD_MAX    (24u * 1024 * 1024)

struct og_record_kind {
	const char *name;
	int64_t keep_ms;   /* after the last put; 0: until it is removed */
	int64_t bytes_max; /* of all of this kind */
	bool oldest_go;    /* beyond bytes_max; else what is new is refused as BUSY, and what is there may grow */
	int64_t most;      /* of one tenant: likewise, its oldest or its new one; 0: any number */
	const char
		*parts; /* kinds whose records belong to one of this kind, and go with it: names with blanks between */
};

/* `record` is borrowed, and NULL where `err` is not: INVALID, there is none (or it is another tenant's); BUSY, it is full; RETRY. */
typedef void og_record_cb(void *ctx, json_t *record, const struct og_error *err);
/* `more`: the list goes on behind its last. */
typedef void og_records_cb(void *ctx, json_t *const *records, size_t n, bool more, const struct og_error *err);
/* `known`: n of them, borrowed, and NULL where `err` is not. `any`: there are some of this kind, these or others. */
typedef void og_records_known_cb(void *ctx, const bool *known, size_t n, bool any, const struct og_error *err);
/* `yes`: it was taken; no: another one holds it, or it is there already, or it is gone or has been changed, or there is none
 * beside. With BUSY: `yes` where it is full of its tenant's own. */
typedef void og_record_said_cb(void *ctx, bool yes, const struct og_error *err);

struct og_record_put {
	const char *id, *tenant;
	const json_t *record;
	int64_t bytes;       /* what it counts for; 0: its own length */
	bool in_any_case;    /* also beyond bytes_max, for which it counts all the same */
	bool fresh;          /* only where there is none of that id */
	bool there;          /* only where there is one */
	const json_t *was;   /* only where it is as it was read, this: nobody changed it meanwhile; NULL: in any case */
	const char *owner;   /* it must be held by this one, in `from` where that is set; NULL: by anybody or nobody */
	int64_t due_in_ms;   /* when work is due on it; -1: none is */
	const char *held_by; /* due, but held by this one from the start for due_in_ms; NULL: nobody */
	bool held_if_new;    /* held_by counts only where there was none of that id: else nobody holds it */
	const struct og_record_kind *beside; /* only where the tenant has one of this kind; NULL: in any case */
	const struct og_record_kind *from;   /* only where this kind has one of that id, which goes in the same step */
};

int og_record_put(struct og_gateway_store *s, const struct og_record_kind *kind, const struct og_record_put *put,
	og_record_said_cb *cb, void *ctx, struct og_error *err);
/* `tenant` NULL: whoever it belongs to. */
int og_record_get(struct og_gateway_store *s, const struct og_record_kind *kind, const char *tenant, const char *id,
	og_record_cb *cb, void *ctx, struct og_error *err);
int og_record_remove(struct og_gateway_store *s, const struct og_record_kind *kind, const char *tenant, const char *id,
	og_record_said_cb *cb, void *ctx, struct og_error *err);
/* Where this one holds it. */
int og_record_drop(struct og_gateway_store *s, const struct og_record_kind *kind, const char *id, const char *owner,
	og_record_said_cb *cb, void *ctx, struct og_error *err);

struct og_record_page {
	const char *tenant;
	const char *after; /* an id; NULL: from the first */
	int64_t limit;     /* 1 … OG_RECORDS_PAGE */
	bool oldest_first;
};
int og_records_list(struct og_gateway_store *s, const struct og_record_kind *kind, const struct og_record_page *page,
	og_records_cb *cb, void *ctx, struct og_error *err);

/* Which of `ids` (at most OG_RECORDS_KNOWN) there are, whoever they belong to. */
int og_records_known(struct og_gateway_store *s, const struct og_record_kind *kind, const char *const *ids, size_t n,
	og_records_known_cb *cb, void *ctx, struct og_error *err);

/* Claims up to `limit` that are due and held by nobody. Each record says its id as "id". */
int og_records_claim(struct og_gateway_store *s, const struct og_record_kind *kind, const char *owner, int64_t lease_ms,
	int64_t limit, og_records_cb *cb, void *ctx, struct og_error *err);
int og_record_hold(struct og_gateway_store *s, const struct og_record_kind *kind, const char *id, const char *owner,
	int64_t lease_ms, og_record_said_cb *cb, void *ctx, struct og_error *err);

#endif
