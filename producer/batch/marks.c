/* Open addressing with linear probing in a table of a power of two; a slot is a hash with the flags in its low bits. Hashes
 * are never removed, and none is 0. */
#include "batch/marks.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

#define FLAGS 3u
#define FIRST 1024u

struct og_marks {
	uint64_t *slots;
	size_t n, room;
};

struct og_marks *og_marks_new(void)
{
	struct og_marks *m = og_new(struct og_marks);

	m->room = FIRST;
	m->slots = og_alloc(m->room * sizeof(*m->slots));
	return m;
}

void og_marks_free(struct og_marks *m)
{
	if (!m)
		return;
	free(m->slots);
	free(m);
}

static uint64_t digest(const char *text, size_t len)
{
	unsigned char out[EVP_MAX_MD_SIZE];
	uint64_t mark;

	if (!EVP_Digest(text, len, out, NULL, EVP_sha256(), NULL))
		abort();
	memcpy(&mark, out, sizeof(mark));
	mark &= ~(uint64_t)FLAGS;
	return mark ? mark : FLAGS + 1;
}

uint64_t og_mark_of_id(const char *custom_id)
{
	return digest(custom_id, strlen(custom_id));
}

uint64_t og_mark_of_line(int64_t number)
{
	char text[32] = ""; /* begins with a NUL: no custom id does */
	int len = snprintf(text + 1, sizeof(text) - 1, "%" PRId64, number);

	return digest(text, (size_t)len + 1);
}

static uint64_t *find(const struct og_marks *m, uint64_t mark)
{
	size_t i = (mark >> 2) & (m->room - 1);

	while (m->slots[i] && (m->slots[i] & ~(uint64_t)FLAGS) != mark)
		i = (i + 1) & (m->room - 1);
	return &m->slots[i];
}

static void grow(struct og_marks *m)
{
	struct og_marks larger = {.n = m->n, .room = 2 * m->room};

	larger.slots = og_alloc(larger.room * sizeof(*larger.slots));
	for (size_t i = 0; i < m->room; i++)
		if (m->slots[i])
			*find(&larger, m->slots[i] & ~(uint64_t)FLAGS) = m->slots[i];
	free(m->slots);
	*m = larger;
}

unsigned og_marks_get(const struct og_marks *m, uint64_t mark)
{
	return (unsigned)(*find(m, mark) & FLAGS);
}

void og_marks_add(struct og_marks *m, uint64_t mark, unsigned flags)
{
	uint64_t *slot = find(m, mark);

	if (!*slot) {
		if (4 * (m->n + 1) > 3 * m->room) {
			grow(m);
			slot = find(m, mark);
		}
		m->n++;
		*slot = mark;
	}
	*slot |= flags;
}
