/* A growing byte buffer with a cap, in the manner of curl's dynbuf: every buffer that a stranger can fill has one.
 * `data` is always NUL-terminated once anything was added (the NUL is not counted in `len`). */
#ifndef OG_BASE_BUF_H
#define OG_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>

struct og_buf {
	char *data;
	size_t len;
	size_t room; /* allocated bytes */
	size_t cap;  /* len never exceeds this */
};

void og_buf_init(struct og_buf *b, size_t cap);
void og_buf_done(struct og_buf *b);  /* frees; the buffer can be used again, with the same cap */
void og_buf_clear(struct og_buf *b); /* forgets the contents, keeps the memory */

/* 0, or -1 when the cap would be passed: then nothing is added. */
int og_buf_add(struct og_buf *b, const void *data, size_t len);
int og_buf_adds(struct og_buf *b, const char *s);
int og_buf_addf(struct og_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

void og_buf_drop_head(struct og_buf *b, size_t n); /* removes the first n bytes (n <= len) */
const char *og_buf_str(const struct og_buf *b);    /* "" when empty; owned by the buffer */
char *og_buf_take(struct og_buf *b);               /* hands the memory over (never NULL); the buffer is empty after */

#endif
