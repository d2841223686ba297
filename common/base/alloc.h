/* One allocator. Out of memory ends the process: unacked jobs are redelivered, so nothing is lost by it, and no caller
 * has to carry a path that no test ever takes. */
#ifndef OG_BASE_ALLOC_H
#define OG_BASE_ALLOC_H

#include <stddef.h>

void *og_alloc(size_t size);                           /* zeroed */
void *og_alloc_aligned(size_t alignment, size_t size); /* a power of two, which divides the size; not zeroed */
void *og_realloc(void *p, size_t size);                /* contents beyond the old size are undefined */
char *og_strdup(const char *s);                        /* NULL gives NULL */
char *og_strndup(const char *s, size_t n);
void *og_memdup(const void *p, size_t size);
char *og_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#define og_new(type) ((type *)og_alloc(sizeof(type)))

/* Ownership. `og_autofree` frees at the end of the scope; `OG_TAKE` hands the pointer over and leaves NULL behind. */
void og_free_at(void *pp);
#define og_autofree    __attribute__((cleanup(og_free_at)))
#define OG_CLEANUP(fn) __attribute__((cleanup(fn)))
#define OG_TAKE(p)                                                                                                     \
	({                                                                                                             \
		__typeof__(p) og_taken_ = (p);                                                                         \
		(p) = NULL;                                                                                            \
		og_taken_;                                                                                             \
	})

#define OG_COUNT(array) (sizeof(array) / sizeof((array)[0]))

#endif
