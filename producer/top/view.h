/* What `og top` shows, as lines: made of the scheduler's answers, and of nothing else. Pure. */
#ifndef OG_TOP_VIEW_H
#define OG_TOP_VIEW_H

#include <jansson.h>
#include <stddef.h>

enum og_tone {
	OG_TONE_PLAIN,
	OG_TONE_HEAD, /* the headings of a table */
	OG_TONE_DIM,  /* nothing is there */
	OG_TONE_WARN, /* it is full, or was told to stop */
	OG_TONE_BAD,  /* something waits, and nobody comes */
};

enum og_top_sort { OG_TOP_BY_NAME, OG_TOP_BY_BUSY, OG_TOP_BY_WAITING, OG_TOP_BY_RATE };

struct og_top_line {
	char *text;
	enum og_tone tone;
};

struct og_top_view {
	struct og_top_line *lines;
	size_t n;
};

/* Of the answers to `queues` and `peers`: totals, a table of the tiers, one of the nodes' workers. What is worth more of the
 * sort key is further up. `away` NULL, or why the answers are old. */
void og_top_view_make(const json_t *queues, const json_t *peers, enum og_top_sort sort, const char *cluster,
	const char *away, struct og_top_view *ret);
void og_top_view_done(struct og_top_view *v);

#endif
