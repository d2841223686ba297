#include "batch/pace.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "show.h"

#define BASE_MS   500
#define CAP_MS    30000
#define WORDS_CAP 512u
#define BAR_CELLS 20

void og_pace_init(struct og_pace *p)
{
	*p = (struct og_pace){.backoff = {.base_ms = BASE_MS, .cap_ms = CAP_MS}};
}

/* The scheduler's "try in 5 s"; -1: it does not say. */
static int64_t told_ms(const char *words)
{
	const char *at = words ? strstr(words, "try in ") : NULL;
	char *end;
	long seconds;

	if (!at)
		return -1;
	seconds = strtol(at + strlen("try in "), &end, 10);
	if (end == at + strlen("try in ") || strncmp(end, " s", 2) != 0 || seconds < 0)
		return -1;
	return seconds > OG_PACE_MAX_MS / 1000 ? OG_PACE_MAX_MS : seconds * 1000;
}

void og_pace_busy(struct og_pace *p, int64_t now, const char *words, uint32_t random)
{
	int64_t told = told_ms(words), wait;

	if (now < p->until_ms)
		return;
	wait = og_backoff_next(&p->backoff, random);
	p->until_ms = now + (told > wait ? told : wait);
}

void og_pace_well(struct og_pace *p)
{
	og_backoff_reset(&p->backoff);
}

/* How many lines it has in all; -1: that cannot be told. What is read stands for what is not. */
static int64_t total_of(const struct og_progress *p)
{
	if (!p->size || !p->bytes || !p->lines)
		return -1;
	if (p->bytes >= p->size)
		return p->lines;
	return (int64_t)((double)p->lines * (double)p->size / (double)p->bytes);
}

/* 1234567 as 1,234,567. */
static void add_count(struct og_buf *out, int64_t n)
{
	char digits[32];
	size_t len = (size_t)snprintf(digits, sizeof(digits), "%" PRId64, n);

	for (size_t i = 0; i < len; i++)
		og_buf_addf(out, "%s%c", i && (len - i) % 3 == 0 ? "," : "", digits[i]);
}

static void add_bar(struct og_buf *out, int64_t done, int64_t total)
{
	int64_t full = done * BAR_CELLS / total;

	og_buf_adds(out, "[");
	for (int64_t i = 0; i < BAR_CELLS; i++)
		og_buf_adds(out, i < full ? "#" : "-");
	og_buf_adds(out, "] ");
}

char *og_progress_words(const struct og_progress *p, int64_t now, bool bar)
{
	int64_t total = total_of(p), took = now - p->began_ms;
	double rate = took > 0 ? 1000.0 * (double)p->done_here / (double)took : 0;
	char left[OG_SHOW_SIZE];
	struct og_buf out;

	og_buf_init(&out, WORDS_CAP);
	if (bar && total > 0)
		add_bar(&out, p->done, total);
	if (total > 0)
		og_buf_addf(&out, "%" PRId64 "%%: ", p->done * 100 / total);
	add_count(&out, p->done);
	if (total > 0) {
		og_buf_adds(&out, p->bytes >= p->size ? " of " : " of about ");
		add_count(&out, total);
	}
	og_buf_addf(&out, ", %.1f/s", rate);
	if (total > p->done && rate > 0) {
		og_show_duration((int64_t)(1000.0 * (double)(total - p->done) / rate), left);
		og_buf_addf(&out, ", %s left", left);
	}
	if (p->failed)
		og_buf_addf(&out, ", %" PRId64 " failed", p->failed);
	og_buf_addf(&out, ", %" PRId64 " in flight", p->flying);
	return og_buf_take(&out);
}
