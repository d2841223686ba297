#include "shell/letter.h"

#include <stdlib.h>
#include <utlist.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"

#define AGAIN_MS 1000

struct og_letter {
	struct og_letter *prev, *next; /* of those that wait to be sent */
	struct og_scheduler *s;
	uint64_t term;
	struct og_message *m;
	unsigned flags;
	int64_t not_before; /* monotonic */
	og_letter_cb *cb;
	void *ctx;
};

static void letter_free(struct og_letter *l)
{
	free(l->ctx);
	free(l->m);
	free(l);
}

static void arrive(struct og_letter *l, bool returned)
{
	struct og_scheduler *s = l->s;
	og_letter_cb *cb = l->cb;
	void *ctx = OG_TAKE(l->ctx);

	s->term->n_letters--;
	letter_free(l);
	if (cb)
		cb(s, ctx, returned);
	else
		free(ctx);
}

static void on_settled(void *ctx, enum og_settled how)
{
	struct og_letter *l = ctx;
	struct og_scheduler *s = l->s;

	if (!s->term || s->term->serial != l->term || how == OG_LOST) { /* lost: the term is about to end */
		letter_free(l);
	} else if (how == OG_CONFIRMED || how == OG_RETURNED) {
		arrive(l, how == OG_RETURNED);
	} else {
		l->not_before = og_clock_mono_ms() + AGAIN_MS;
		DL_APPEND(s->term->letters, l);
	}
}

/* False: there is no room now. */
static bool try_to_send(struct og_letter *l)
{
	struct og_error err;

	if (og_amqp_publish(l->s->lead, l->m, l->flags, on_settled, l, &err) == 0)
		return true;
	if (err.kind != OG_INVALID)
		return false;
	/* It can never be sent: whoever waits for it must not wait for ever. */
	og_error_log(err.message, "type=%s id=%s", l->m->type, l->m->message_id ? l->m->message_id : "");
	arrive(l, true);
	return true;
}

void og_letter_send(struct og_scheduler *s, const struct og_message *m, unsigned flags, og_letter_cb *cb, void *ctx)
{
	struct og_letter *l = og_new(struct og_letter);

	*l = (struct og_letter){
		.s = s, .term = s->term->serial, .m = og_message_copy(m), .flags = flags, .cb = cb, .ctx = ctx};
	s->term->n_letters++;
	if (s->term->letters || !try_to_send(l))
		DL_APPEND(s->term->letters, l);
}

void og_letters_kick(struct og_scheduler *s, int64_t now)
{
	struct og_letter *l, *tmp;

	DL_FOREACH_SAFE(s->term->letters, l, tmp)
	{
		if (l->not_before > now)
			continue;
		DL_DELETE(s->term->letters, l);
		if (!try_to_send(l)) {
			DL_PREPEND(s->term->letters, l);
			return;
		}
	}
}

void og_letters_drop(struct og_scheduler *s)
{
	struct og_letter *l, *tmp;

	DL_FOREACH_SAFE(s->term->letters, l, tmp)
	{
		DL_DELETE(s->term->letters, l);
		letter_free(l);
	}
}
