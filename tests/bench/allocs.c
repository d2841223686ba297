/* Counts allocations: to be preloaded (LD_PRELOAD) into a program, whose counts lie in the file $OG_ALLOCS.<pid> while it runs: four 64-bit
 * numbers, of this machine's byte order: allocations (malloc, calloc, and their kin), reallocations, frees, bytes asked for.
 *
 * glibc alone: it has the functions under a second name too, so that nothing has to be looked up while nothing can be allocated. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *p);

struct counts {
	_Atomic uint64_t allocations, reallocations, frees, bytes;
};

static struct counts before; /* the file is there */
static struct counts *counts = &before;

static void add(_Atomic uint64_t *count, uint64_t n)
{
	atomic_fetch_add_explicit(count, n, memory_order_relaxed);
}

static void allocated(size_t size)
{
	add(&counts->allocations, 1);
	add(&counts->bytes, size);
}

/* A program that cannot have its file goes on uncounted: whoever looks for it says so. */
__attribute__((constructor)) static void open_counts(void)
{
	const char *name = getenv("OG_ALLOCS");
	char path[4096];
	void *page;
	int fd;

	if (!name || snprintf(path, sizeof(path), "%s.%d", name, (int)getpid()) >= (int)sizeof(path))
		return;
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return;
	page = ftruncate(fd, sizeof(*counts)) < 0
	               ? MAP_FAILED
	               : mmap(NULL, sizeof(*counts), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (page != MAP_FAILED)
		counts = page;
	close(fd);
}

void *malloc(size_t size)
{
	allocated(size);
	return __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
	allocated(n * size);
	return __libc_calloc(n, size);
}

void *realloc(void *p, size_t size)
{
	if (!p) {
		allocated(size);
	} else {
		add(&counts->reallocations, 1);
		add(&counts->bytes, size);
	}
	return __libc_realloc(p, size);
}

void *memalign(size_t alignment, size_t size)
{
	allocated(size);
	return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
	return memalign(alignment, size);
}

int posix_memalign(void **ret, size_t alignment, size_t size)
{
	void *p = memalign(alignment, size);

	if (!p)
		return ENOMEM;
	*ret = p;
	return 0;
}

void free(void *p)
{
	if (p)
		add(&counts->frees, 1);
	__libc_free(p);
}
