#include "plan/heap.h"

#include "base/alloc.h"

#define FIRST_ROOM 64

static void set(struct og_index *ix, size_t at, struct og_entry *e)
{
	ix->heap[at] = e;
	e->heap_at = (uint32_t)at;
}

/* Moves the entry at `at` up or down until order holds again. */
static void settle(struct og_index *ix, size_t at)
{
	struct og_entry *e = ix->heap[at];

	for (; at > 1 && ix->heap[at / 2]->due_ms > e->due_ms; at /= 2)
		set(ix, at, ix->heap[at / 2]);
	for (size_t child; (child = 2 * at) <= ix->heap_len; at = child) {
		if (child < ix->heap_len && ix->heap[child + 1]->due_ms < ix->heap[child]->due_ms)
			child++;
		if (ix->heap[child]->due_ms >= e->due_ms)
			break;
		set(ix, at, ix->heap[child]);
	}
	set(ix, at, e);
}

void og_heap_put(struct og_index *ix, struct og_entry *e)
{
	if (!e->heap_at) {
		if (ix->heap_len + 2 > ix->heap_room) {
			ix->heap_room = ix->heap_room ? 2 * ix->heap_room : FIRST_ROOM;
			ix->heap = og_realloc(ix->heap, ix->heap_room * sizeof(*ix->heap));
		}
		set(ix, ++ix->heap_len, e);
	}
	settle(ix, e->heap_at);
}

void og_heap_take(struct og_index *ix, struct og_entry *e)
{
	size_t at = e->heap_at;
	struct og_entry *last;

	if (!at)
		return;
	last = ix->heap[ix->heap_len--];
	e->heap_at = 0;
	if (last == e)
		return;
	set(ix, at, last);
	settle(ix, at);
}
