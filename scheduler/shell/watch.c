#include "shell/watch.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/alloc.h"
#include "shell/letter.h"
#include "shell/rpc.h"

struct og_watcher {
	struct og_watcher *next;
	char reply[OG_KEY_MAX], question[OG_ID_LEN + 1]; /* question "": a second submit */
};

static struct og_watcher *find(const struct og_entry *e, const char *reply, unsigned *ret_n)
{
	struct og_watcher *w;
	unsigned n = 0;

	LL_FOREACH(e->watchers, w)
	{
		if (!strcmp(w->reply, reply))
			return w;
		n++;
	}
	*ret_n = n;
	return NULL;
}

void og_watch(struct og_scheduler *s, struct og_entry *e, const char *reply, const char *question)
{
	char own[OG_KEY_MAX];
	unsigned n = 0;
	struct og_watcher *w = find(e, reply, &n);

	og_entry_reply(e, own);
	if (!question && !strcmp(own, reply))
		return;
	if (!w && (n == OG_WATCHERS_A_JOB || s->term->n_watchers == OG_WATCHERS_MAX))
		return;
	if (!w) {
		w = og_new(struct og_watcher);
		strcpy(w->reply, reply);
		LL_PREPEND(e->watchers, w);
		s->term->n_watchers++;
	}
	strcpy(w->question, question ? question : "");
}

void og_watch_result(struct og_scheduler *s, const char *reply, const char *id, const char *state,
	const char *error_type, const void *body, size_t len)
{
	const struct og_envelope e = {.type = OG_T_RESPONSE,
		.id = id,
		.content_type = "application/json",
		.state = state,
		.error_type = error_type && *error_type ? error_type : NULL};
	char key[OG_KEY_MAX];
	struct og_message m = {.exchange = OG_X_REPLIES, .routing_key = key, .body = body, .body_len = len};

	og_key_reply(reply, "result", key);
	og_envelope_encode(&e, &m);
	og_letter_send(s, &m, 0, NULL, NULL);
}

void og_watch_tell(struct og_scheduler *s, struct og_entry *e, const char *state, const char *error_type,
	const void *body, size_t len)
{
	struct og_watcher *w;

	LL_FOREACH(e->watchers, w)
	{
		if (*w->question)
			og_rpc_answer_end(s, w->reply, w->question, state, body, len);
		else
			og_watch_result(s, w->reply, e->id, state, error_type, body, len);
	}
	og_watch_drop(s, e);
}

void og_watch_drop(struct og_scheduler *s, struct og_entry *e)
{
	struct og_watcher *w, *tmp;

	LL_FOREACH_SAFE(e->watchers, w, tmp)
	{
		LL_DELETE(e->watchers, w);
		free(w);
		s->term->n_watchers--;
	}
}

void og_watch_free(struct og_entry *e)
{
	struct og_watcher *w, *tmp;

	LL_FOREACH_SAFE(e->watchers, w, tmp)
	free(w);
	e->watchers = NULL;
}
