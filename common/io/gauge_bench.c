/* Two figures that decide how fast a model answers on a CPU: reading the weights (each token reads all of them) and
 * multiplying them. Plain loops, compiled for the architecture's baseline: they rank machines, and are not the
 * silicon's peak. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "io/gauge.h"

#define MEASURE_US  500000
#define BLOCK       (256 * 1024)           /* bytes read between two looks at the clock */
#define BUFFER_MIN  (8 * (int64_t)BLOCK)   /* bytes a thread */
#define BUFFER_MAX  (256 * (int64_t)BLOCK) /* 64 MiB: past most caches */
#define ROUNDS      10000                  /* of multiplying between two looks at the clock */
#define CHAINS      8 /* sums under way at once, so that not the latency of one operation is measured */
#define THREADS_MAX 1024

typedef double pair __attribute__((vector_size(16)));
typedef uint64_t words __attribute__((vector_size(16)));

struct lane {
	pthread_t thread;
	double (*work)(struct lane *lane); /* one portion; returns its bytes or operations */
	char *buffer;
	size_t size, at;
	double result; /* of the arithmetic, so that the compiler cannot leave it out */
	double rate;   /* a second */
};

static double read_block(struct lane *lane)
{
	const words *from = (const words *)(lane->buffer + lane->at);
	words sums[CHAINS] = {0};

	for (size_t i = 0; i < BLOCK / sizeof(*from); i += CHAINS)
#pragma GCC unroll 8
		for (size_t k = 0; k < CHAINS; k++)
			sums[k] += from[i + k];
	for (size_t k = 1; k < CHAINS; k++)
		sums[0] += sums[k];
	lane->result = (double)(sums[0][0] ^ sums[0][1]);
	lane->at = (lane->at + BLOCK) % lane->size;
	return BLOCK;
}

static double multiply_add(struct lane *lane)
{
	pair sums[CHAINS] = {0};
	pair factor = {0.999, 0.998}, term = {lane->result, 1};

	for (size_t i = 0; i < ROUNDS; i++)
#pragma GCC unroll 8
		for (size_t k = 0; k < CHAINS; k++)
			sums[k] = sums[k] * factor + term;
	for (size_t k = 1; k < CHAINS; k++)
		sums[0] += sums[k];
	lane->result = sums[0][0] > sums[0][1] ? 1 : 0.5;
	return 2.0 * ROUNDS * CHAINS * sizeof(pair) / sizeof(double);
}

static void *run(void *ctx)
{
	struct lane *lane = ctx;
	int64_t began = og_clock_mono_us(), now;
	double done = 0;

	do {
		done += lane->work(lane);
		now = og_clock_mono_us();
	} while (now - began < MEASURE_US);
	lane->rate = done * 1e6 / (double)(now - began);
	return NULL;
}

/* All lanes at once; the sum of their rates, in 10^9 a second. Where no more threads are to be had, those that are
 * count. */
static double measure(double (*work)(struct lane *lane), struct lane *lanes, size_t n)
{
	size_t started = 0;
	double sum = 0;

	for (; started < n; started++) {
		lanes[started].work = work;
		lanes[started].result = 0;
		if (pthread_create(&lanes[started].thread, NULL, run, &lanes[started]))
			break;
	}
	for (size_t i = 0; i < started; i++) {
		pthread_join(lanes[i].thread, NULL);
		sum += lanes[i].rate;
	}
	return sum / 1e9;
}

void og_gauge_bench(const struct og_profile *p, struct og_bench *ret)
{
	size_t n = p->cpu_cores < THREADS_MAX ? (size_t)p->cpu_cores : THREADS_MAX;
	struct lane *lanes;
	int64_t size;

	if (!n || (double)n < p->cpu_cores)
		n++; /* a part of a core is a thread too */
	lanes = og_alloc(n * sizeof(*lanes));
	size = p->ram_available_bytes / 8 / (int64_t)n / BLOCK * BLOCK;
	size = size < BUFFER_MIN ? BUFFER_MIN : size > BUFFER_MAX ? BUFFER_MAX : size;
	for (size_t i = 0; i < n; i++) {
		lanes[i].buffer = og_alloc((size_t)size);
		lanes[i].size = (size_t)size;
		memset(lanes[i].buffer, (int)i + 1, (size_t)size); /* untouched pages would all be the one zero page */
	}
	*ret = (struct og_bench){
		.threads = (int64_t)n,
		.memory_read_one_core_gb_per_s = measure(read_block, lanes, 1),
		.memory_read_all_cores_gb_per_s = measure(read_block, lanes, n),
		.multiply_add_one_core_gflops = measure(multiply_add, lanes, 1),
		.multiply_add_all_cores_gflops = measure(multiply_add, lanes, n),
	};
	og_clock_format(og_clock_wall_ms(), ret->measured_at);
	for (size_t i = 0; i < n; i++)
		free(lanes[i].buffer);
	free(lanes);
}
