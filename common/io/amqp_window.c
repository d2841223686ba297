#include "io/amqp_window.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "io/amqp_bundle.h"

#define FIRST_ROOM 64
#define SPREAD     8 /* one slow publish lets so many windows pass it */

struct og_joint {
	struct og_bundle bundle;
	struct {
		og_settled_cb *cb;
		void *ctx;
	} others[OG_BUNDLE_PARTS - 1];
	size_t n;
};

void og_window_init(struct og_window *w, unsigned limit)
{
	*w = (struct og_window){.limit = limit, .head = 1, .next = 1, .tail = 1};
}

static struct og_publish *at(struct og_window *w, uint64_t tag)
{
	return &w->ring[tag & (w->room - 1)];
}

static void grow(struct og_window *w)
{
	struct og_window old = *w;

	w->room = old.room ? 2 * old.room : FIRST_ROOM;
	w->ring = og_alloc(w->room * sizeof(*w->ring));
	for (uint64_t t = old.head; t < old.tail; t++)
		*at(w, t) = *at(&old, t);
	free(old.ring);
}

static bool full(const struct og_window *w, size_t more)
{
	return w->count >= w->limit || (w->count && w->bytes + more > OG_WINDOW_BYTES) ||
	       w->tail - w->head >= (uint64_t)SPREAD * w->limit;
}

static void bundle_it(struct og_publish *p)
{
	struct og_message outer, *first = p->m;

	p->joint = og_new(struct og_joint);
	og_bundle_add(&p->joint->bundle, first);
	outer = og_bundle_message(&p->joint->bundle, first);
	outer.body_len = 0; /* the bundle has it, and it grows */
	p->m = og_message_copy(&outer);
	free(first);
}

static bool join(struct og_window *w, const struct og_message *m, unsigned flags, og_settled_cb *cb, void *ctx)
{
	struct og_publish *p = w->next < w->tail ? at(w, w->tail - 1) : NULL;
	struct og_joint *j;
	bool joined;

	if (!p || !(flags & OG_PUBLISH_BUNDLE) || p->flags != flags || !og_bundle_same_place(p->m, m) ||
		!og_bundle_takes(m) || (!p->joint && !og_bundle_takes(p->m)))
		return false;
	w->bytes -= p->m->body_len;
	if (!p->joint)
		bundle_it(p);
	j = p->joint;
	joined = og_bundle_add(&j->bundle, m) == 0;
	if (joined) {
		j->others[j->n].cb = cb;
		j->others[j->n++].ctx = ctx;
	}
	p->m->body = j->bundle.body.data;
	p->m->body_len = j->bundle.body.len;
	w->bytes += p->m->body_len;
	w->count += joined;
	return joined;
}

int og_window_add(struct og_window *w, const struct og_message *m, unsigned flags, og_settled_cb *cb, void *ctx)
{
	if (full(w, m->body_len)) {
		w->starved = true;
		return -1;
	}
	if (join(w, m, flags, cb, ctx))
		return 0;
	if (w->tail - w->head == w->room)
		grow(w);
	*at(w, w->tail++) = (struct og_publish){.m = og_message_copy(m), .flags = flags, .cb = cb, .ctx = ctx};
	w->count++;
	w->bytes += m->body_len;
	return 0;
}

const struct og_publish *og_window_next(struct og_window *w, uint64_t *ret_tag)
{
	if (w->next == w->tail)
		return NULL;
	*ret_tag = w->next;
	return at(w, w->next++);
}

static void joint_free(struct og_joint *j)
{
	if (j)
		og_bundle_done(&j->bundle);
	free(j);
}

static void settle(struct og_window *w, uint64_t tag, enum og_settled how)
{
	struct og_publish p = *at(w, tag);

	if (!p.m)
		return;
	at(w, tag)->m = NULL;
	w->count -= 1 + (p.joint ? (unsigned)p.joint->n : 0);
	w->bytes -= p.m->body_len;
	while (w->head < w->next && !at(w, w->head)->m)
		w->head++;
	free(p.m);
	how = how == OG_CONFIRMED && p.returned ? OG_RETURNED : how;
	if (p.cb)
		p.cb(p.ctx, how);
	for (size_t i = 0; p.joint && i < p.joint->n; i++) {
		if (p.joint->others[i].cb)
			p.joint->others[i].cb(p.joint->others[i].ctx, how);
	}
	joint_free(p.joint);
}

int og_window_settle(struct og_window *w, uint64_t tag, bool multiple, enum og_settled how)
{
	if (multiple && tag == 0) /* AMQP's word for "all so far" */
		tag = w->next - 1;
	if (tag >= w->next || (tag == 0 && !multiple))
		return -1;
	if (!multiple && tag >= w->head)
		settle(w, tag, how);
	while (multiple && w->head <= tag && w->head < w->next)
		settle(w, w->head, how);
	return 0;
}

void og_window_returned(struct og_window *w, uint64_t tag)
{
	if (tag >= w->head && tag < w->next)
		at(w, tag)->returned = true;
}

static void settle_sent(struct og_window *w, enum og_settled how)
{
	while (w->head < w->next)
		settle(w, w->head, how);
}

unsigned og_window_restart(struct og_window *w, bool keep)
{
	struct og_window old;
	unsigned again = 0;

	if (!keep)
		settle_sent(w, OG_LOST);
	old = *w;
	w->ring = og_alloc(w->room * sizeof(*w->ring));
	w->head = w->next = w->tail = 1;
	for (uint64_t t = old.head; t < old.tail; t++) {
		struct og_publish *p = at(&old, t);

		if (!p->m)
			continue;
		p->returned = false;
		*at(w, w->tail++) = *p;
		again += t < old.next;
	}
	free(old.ring);
	return again;
}

void og_window_close(struct og_window *w)
{
	w->limit = 0; /* nothing is let in from the callbacks */
	w->next = w->tail;
	settle_sent(w, OG_LOST);
	free(w->ring);
	w->ring = NULL;
	w->room = 0;
}

bool og_window_room_again(struct og_window *w)
{
	if (!w->starved || full(w, 0))
		return false;
	w->starved = false;
	return true;
}
