/* How the broker differs from what it should be. Pure: definitions in, a list out. */
#ifndef OG_BROKER_CONFIG_DRIFT_H
#define OG_BROKER_CONFIG_DRIFT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum og_drift_kind { OG_DRIFT_MISSING, OG_DRIFT_DIFFERENT, OG_DRIFT_EXTRA };

struct og_drift {
	enum og_drift_kind kind;
	const char *section; /* of the definitions: "queues" */
	const json_t *item;  /* as it should be; where it is extra, as it is. Borrowed from the definitions */
	bool in_place;       /* posting `item` mends it */
	char *text;          /* one line for people: what, and how to mend what is not mended in place */
};

struct og_drifts {
	struct og_drift *items;
	size_t n, room;
};

/* `desired` of og_desired_new, `actual` of GET /api/definitions; both must outlive the list. Looks at the vhost of
 * `desired`, and there at what is named og.* and at every user who may do something. */
void og_drift_find(const json_t *desired, const json_t *actual, struct og_drifts *ret);
void og_drifts_done(struct og_drifts *d);

/* What is to be posted to mend what can be mended in place; NULL: nothing. The caller's. */
json_t *og_drift_mending(const struct og_drifts *d);

/* "missing", "different", "extra" */
const char *og_drift_kind_name(enum og_drift_kind kind);

/* Whether `user` (an item of definitions' "users") has this password. True where the hash is of a kind that we do not
 * know. */
bool og_drift_password_fits(const json_t *user, const char *password);

#endif
