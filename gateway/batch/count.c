#include "batch/count.h"

int og_batch_count_piece(struct og_batch_count *c, const char *piece, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (piece[i] == '\n') {
			*c = (struct og_batch_count){.lines = c->lines + c->says};
			continue;
		}
		if (++c->length > OG_BATCH_LINE_MAX)
			return -1;
		c->says = c->says || (piece[i] != ' ' && piece[i] != '\t' && piece[i] != '\r');
	}
	return 0;
}

int64_t og_batch_count_end(const struct og_batch_count *c)
{
	return c->lines + c->says;
}
