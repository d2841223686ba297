#include "base/slab.h"

#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/alloc.h"

/* An item that nobody has is poison to the sanitizer, as freed memory is. */
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, size)   ((void)(address), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#endif

/* Also what each block's address is a multiple of, so that an item's address leads to its block. Above glibc's threshold for
 * mmap: a block is no part of the heap. */
#define BLOCK ((size_t)256 * 1024)
#define ALIGN alignof(max_align_t)

struct item {
	struct item *next;
};

struct og_slab_block {
	struct og_slab_block *prev, *next; /* in the list of those with room */
	struct item *given;                /* items that were given back */
	char *fresh;                       /* items that nobody has had: from here to the end */
	size_t used;
};

static size_t rounded(size_t size)
{
	return (size + ALIGN - 1) / ALIGN * ALIGN;
}

void og_slab_init(struct og_slab *s, size_t size)
{
	*s = (struct og_slab){.size = rounded(size < sizeof(struct item) ? sizeof(struct item) : size)};
}

static char *first_item(struct og_slab_block *b)
{
	return (char *)b + rounded(sizeof(*b));
}

static bool has_fresh(const struct og_slab *s, const struct og_slab_block *b)
{
	return (size_t)((const char *)b + BLOCK - b->fresh) >= s->size;
}

static void add_block(struct og_slab *s)
{
	struct og_slab_block *b = og_alloc_aligned(BLOCK, BLOCK);

	*b = (struct og_slab_block){.fresh = first_item(b)};
	ASAN_POISON_MEMORY_REGION(b->fresh, BLOCK - (size_t)(b->fresh - (char *)b));
	DL_PREPEND(s->roomy, b);
	s->blocks++;
}

static void drop_block(struct og_slab *s, struct og_slab_block *b)
{
	DL_DELETE(s->roomy, b);
	ASAN_UNPOISON_MEMORY_REGION(b, BLOCK);
	free(b);
	s->blocks--;
}

void *og_slab_take(struct og_slab *s)
{
	struct og_slab_block *b;
	void *item;

	if (!s->roomy)
		add_block(s);
	b = s->roomy;
	item = b->given ? (char *)b->given : b->fresh;
	ASAN_UNPOISON_MEMORY_REGION(item, s->size);
	if (b->given)
		b->given = b->given->next;
	else
		b->fresh += s->size;
	b->used++;
	s->items++;
	if (!b->given && !has_fresh(s, b))
		DL_DELETE(s->roomy, b);
	return memset(item, 0, s->size);
}

void og_slab_give(struct og_slab *s, void *item)
{
	struct og_slab_block *b = (struct og_slab_block *)((uintptr_t)item / BLOCK * BLOCK);
	struct item *given = item;

	if (!b->given && !has_fresh(s, b))
		DL_PREPEND(s->roomy, b);
	given->next = b->given;
	b->given = given;
	ASAN_POISON_MEMORY_REGION(item, s->size);
	s->items--;
	if (--b->used == 0 && s->roomy->next)
		drop_block(s, b);
}

void og_slab_done(struct og_slab *s)
{
	while (s->roomy)
		drop_block(s, s->roomy);
}
