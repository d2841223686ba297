#include "api/ours/asked.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "store/store.h"

struct og_asked {
	struct og_web_call *c; /* NULL: its client has gone */
	struct og_asked_as as;
};

static void on_gone(void *ctx)
{
	struct og_asked *a = ctx;

	a->c = NULL;
}

struct og_asked *og_asked_new(struct og_web_call *c, struct og_asked_as as)
{
	struct og_asked *a = og_new(struct og_asked);

	*a = (struct og_asked){c, as};
	og_web_on_gone(c, on_gone, a);
	return a;
}

/* Of the store's own words only those about the request are told: others may name its socket. */
static void refuse(struct og_web_call *c, int status, const struct og_error *err)
{
	struct og_refusal why;

	if (status == 503) {
		og_refuse_with(&why, 503, "unavailable", "the store is away: ask again");
		why.retry_after_s = OG_STORE_RETRY_S;
	} else {
		og_refuse_with(&why, status,
			status == 404   ? "not_found"
			: status == 409 ? "conflict"
					: "invalid_request",
			"%s", err->message);
	}
	og_refuse(c, &why);
}

static int status_of(const struct og_error *err, int invalid, int busy)
{
	return err->kind == OG_INVALID ? invalid : err->kind == OG_BUSY ? busy : 503;
}

void og_asked_answer(void *ctx, json_t *answer, const struct og_error *err)
{
	struct og_asked *a = ctx;

	if (a->c && err)
		refuse(a->c, status_of(err, a->as.invalid, a->as.busy), err);
	else if (a->c)
		og_api_reply_json(a->c, a->as.done, json_incref(answer));
	free(a);
}

void og_asked_wrong(struct og_asked *a, const struct og_error *err)
{
	if (a->c)
		refuse(a->c, status_of(err, 400, a->as.busy), err);
	free(a);
}
