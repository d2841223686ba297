#include "plan/breaker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

struct og_breaker *og_breaker_find(struct og_breaker *table, const char *key)
{
	struct og_breaker *b;

	HASH_FIND_STR(table, key, b);
	return b;
}

static void forget(struct og_breaker **table, struct og_breaker *b)
{
	HASH_DEL(*table, b);
	free(b);
}

void og_breakers_free(struct og_breaker **table)
{
	struct og_breaker *b, *tmp;

	HASH_ITER(hh, *table, b, tmp)
	forget(table, b);
}

static struct og_breaker *take(struct og_breaker **table, const char *key)
{
	struct og_breaker *b = og_breaker_find(*table, key);

	if (b || HASH_COUNT(*table) >= OG_BREAKERS_MAX)
		return b;
	b = og_new(struct og_breaker);
	snprintf(b->key, sizeof(b->key), "%s", key);
	b->told = true;
	HASH_ADD_STR(*table, key, b);
	return b;
}

static void open_up(struct og_breaker *b, unsigned jitter, int64_t now)
{
	int64_t pause = b->pause_ms ? 2 * b->pause_ms : OG_BREAKER_FIRST_MS;

	b->pause_ms = pause < OG_BREAKER_MOST_MS ? pause : OG_BREAKER_MOST_MS;
	b->until = now + b->pause_ms + b->pause_ms / 4 * (jitter & 1023) / 1024;
	b->told = b->ended = false;
}

void og_breaker_failed(struct og_breaker **table, const char *key, unsigned jitter, int64_t now)
{
	struct og_breaker *b = take(table, key);

	if (!b)
		return;
	if (b->ended) { /* it had recovered, and is told so yet */
		b->ended = false;
		b->failures = 0;
		b->pause_ms = b->until = 0;
	}
	b->failed_at = now;
	b->failures++;
	/* What was still in its hands when the pause began says nothing new. */
	if (b->until ? now >= b->until : b->failures >= OG_BREAKER_FAILURES)
		open_up(b, jitter, now);
}

void og_breaker_ran(struct og_breaker **table, const char *key)
{
	struct og_breaker *b = og_breaker_find(*table, key);

	if (!b)
		return;
	if (!b->until) {
		forget(table, b);
		return;
	}
	b->ended = true;
	b->told = false;
}

bool og_breaker_tell(struct og_breaker **table, int64_t now, char ret_key[static OG_KEY_MAX], int64_t *ret_ms)
{
	struct og_breaker *b, *tmp;

	HASH_ITER(hh, *table, b, tmp)
	{
		if (now - b->failed_at >= OG_BREAKER_FORGET_MS && now >= b->until && b->told) {
			forget(table, b);
			continue;
		}
		if (b->told)
			continue;
		strcpy(ret_key, b->key);
		*ret_ms = b->ended ? 0 : b->until + OG_BREAKER_PROBE_MS - now;
		b->told = true;
		if (b->ended)
			forget(table, b);
		return true;
	}
	return false;
}
