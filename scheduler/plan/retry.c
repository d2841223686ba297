#include "plan/retry.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "model/names.h"

bool og_retry_is_engines(const char *error)
{
	static const char *const all[] = {"engine_unavailable", "engine_cut", "engine_stalled", "engine_garbage"};

	for (size_t i = 0; i < OG_COUNT(all); i++)
		if (!strcmp(all[i], error))
			return true;
	return false;
}

/* Up to a quarter more than the base, so that what one engine's fall threw back does not come again in step. */
static int64_t backoff(int64_t failed, uint32_t random)
{
	int64_t base = og_delays[failed < OG_DELAYS ? failed : OG_DELAYS - 1].ms;

	return base + (int64_t)((uint64_t)base / 4 * random / UINT32_MAX);
}

static void die(struct og_retry_verdict *v, const char *type)
{
	v->next = OG_NEXT_DEAD;
	v->type = type;
}

static void after_engine_fault(const struct og_retry_facts *f, struct og_retry_verdict *v)
{
	v->failed = true;
	v->delay_ms = backoff(f->failed, f->random);
	if (f->failed + 1 < f->max_attempts)
		return;
	die(v, f->error);
	snprintf(v->words, sizeof(v->words), "%" PRId64 " of %" PRId64 " attempts failed", f->failed + 1,
		f->max_attempts);
}

static void after_loss(const struct og_retry_facts *f, struct og_retry_verdict *v)
{
	if (f->runs) {
		v->next = OG_NEXT_WAIT;
		v->delay_ms = OG_RETRY_WAIT_MS;
		return;
	}
	v->suspect = true;
	if (!f->suspect || !f->alone)
		return;
	v->failed = true;
	v->deaths++;
	if (v->deaths < f->max_attempts)
		return;
	die(v, "poison");
	snprintf(v->words, sizeof(v->words), "%" PRId64 " workers died while they ran it, with nothing beside it",
		v->deaths);
}

static void keep_within_bounds(const struct og_retry_facts *f, struct og_retry_verdict *v)
{
	if (v->next == OG_NEXT_DEAD || v->next == OG_NEXT_WAIT)
		return;
	if (f->deadline_ms && f->now + v->delay_ms >= f->deadline_ms) {
		v->next = OG_NEXT_EXPIRED;
		v->type = "expired";
		snprintf(v->words, sizeof(v->words), "its deadline %s it could be tried again",
			f->now >= f->deadline_ms ? "passed before" : "is before");
	} else if (f->attempt && f->attempt % OG_ATTEMPTS_MAX == 0) {
		die(v, f->error);
		snprintf(v->words, sizeof(v->words), "%d attempts, and none brought it to an end", OG_ATTEMPTS_MAX);
	}
}

bool og_retry_decide(const struct og_retry_facts *f, struct og_retry_verdict *ret)
{
	*ret = (struct og_retry_verdict){.suspect = f->suspect, .deaths = f->deaths};
	if (og_retry_is_engines(f->error))
		after_engine_fault(f, ret);
	else if (!strcmp(f->error, "worker_lost"))
		after_loss(f, ret);
	else if (strcmp(f->error, "draining") != 0)
		return false;
	keep_within_bounds(f, ret);
	return true;
}

int64_t og_retry_count(const char *list)
{
	int64_t n = list && *list ? 1 : 0;

	for (const char *c = list; c && *c; c++)
		n += *c == ',';
	return n;
}

int64_t og_retry_anew(int64_t attempt)
{
	return (attempt + OG_ATTEMPTS_MAX - 1) / OG_ATTEMPTS_MAX * OG_ATTEMPTS_MAX + 1;
}

size_t og_retry_delay(int64_t ms)
{
	size_t i = OG_DELAYS - 1;

	while (i && og_delays[i].ms > ms)
		i--;
	return i;
}
