/* What every handler of the gateway's HTTP surface has: the line to the cluster, the settings, who calls. A route is
 * one row of a table (routes.c) and one function. */
#ifndef OG_API_H
#define OG_API_H

#include "api/metrics.h"
#include "api/refusal.h"
#include "job/link.h"
#include "model/settings.h"
#include "store/key_watch.h"
#include "store/keys.h"
#include "store/kinds.h"
#include "web/web.h"

struct og_webhooks;

struct og_api {
	uv_loop_t *loop;
	const struct og_settings *settings;
	const struct og_catalogue *catalogue;
	struct og_link *link;
	struct og_gateway_store *store; /* NULL when it has been closed: records.h refuses then */
	struct og_kinds kinds;          /* of records in it */
	struct og_webhooks *webhooks;
	struct og_web *web;
	struct og_metrics metrics;
	int64_t started_s; /* wall clock */
};

enum og_need {
	OG_NEED_NOTHING,
	OG_NEED_KEY,
	OG_NEED_KEY_FORM, /* and its body is a form with a file, of up to gateway.file_max */
	OG_NEED_ADMIN,
};

/* Whose request it is; lives as long as its call. */
struct og_caller {
	struct og_key *key;       /* as long as the caller; NULL: without a key, from loopback */
	char key_id[OG_NAME_MAX]; /* "": likewise */
	char tenant[OG_NAME_MAX];
	bool admin;
	json_t *body; /* of its call, where it was parsed beside the loop (body.h); NULL: not, or forgotten */
};

typedef void og_handler(struct og_api *api, struct og_web_call *c);

struct og_api_route {
	const char *method, *path;
	og_handler *handle;
	enum og_need need;
};

extern const struct og_api_route og_api_routes[];
extern const size_t og_api_n_routes;

/* The web server's one handler: finds out who calls, and hands the call on to its route (auth.c). `ctx`: the og_api. */
void og_api_dispatch(void *ctx, struct og_web_call *c);
/* Sets what a protocol's clients expect in the head of every answer; once, before all else. */
void og_api_head(struct og_web_call *c);
/* Whether what asks may write a file to the disk before its key has been looked up. */
bool og_api_admits(void *ctx, const struct og_web_call *c);
const struct og_caller *og_api_caller(const struct og_web_call *c);
/* For what goes on for long: watches the key of who calls (store/key_watch.h), where it has one. `cb` may outlive the call. */
void og_api_watch_key(
	struct og_api *api, const struct og_web_call *c, struct og_key_watch *w, og_key_watch_cb *cb, void *ctx);

/* Answers with `body` as JSON; drops the reference. */
void og_api_reply_json(struct og_web_call *c, int status, json_t *body);
/* The request's body as one JSON object, or the call is refused and it is NULL. A new reference (body.c). */
json_t *og_api_json_body(struct og_web_call *c);
/* Answers the call with what the scheduler says to `verb`, as `form` puts it (NULL: as it is): a new
 * reference, or NULL where it has answered the call itself. Takes over `body`. */
void og_api_ask(struct og_api *api, struct og_web_call *c, const char *verb, json_t *body,
	json_t *(*form)(struct og_api *api, struct og_web_call *c, const json_t *answer));

#endif
