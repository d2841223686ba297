#include "tally.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

int64_t tally_now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static const struct option options[] = {
	{"jobs", required_argument, NULL, 'n'},
	{"window", required_argument, NULL, 'w'},
	{"body", required_argument, NULL, 'b'},
	{"rate", required_argument, NULL, 'r'},
	{NULL, 0, NULL, 0},
};

static int64_t number(const char *text)
{
	char *end;
	int64_t n = strtoll(text, &end, 10);

	if (*end || end == text || n < 1 || n > 10000000) {
		fprintf(stderr, "'%s' is no number from 1 to 10000000\n", text);
		exit(2);
	}
	return n;
}

static void *cells(int64_t n)
{
	void *memory = calloc((size_t)n, sizeof(int64_t));

	if (!memory)
		abort();
	return memory;
}

void tally_init(struct tally *t, int argc, char **argv)
{
	int option;

	*t = (struct tally){.jobs = 10000, .window = 500, .body = 512};
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'n':
			t->jobs = number(optarg);
			break;
		case 'w':
			t->window = number(optarg);
			break;
		case 'b':
			t->body = number(optarg);
			break;
		case 'r':
			t->rate = number(optarg);
			break;
		default:
			exit(2);
		}
	}
	tally_make(t);
}

void tally_make(struct tally *t)
{
	t->due_us = cells(t->jobs);
	t->took_us = cells(t->jobs);
}

void tally_done(struct tally *t)
{
	free(t->due_us);
	free(t->took_us);
}

static int64_t due_us(const struct tally *t, int64_t now_us)
{
	return t->rate ? t->first_us + t->sent * 1000000 / t->rate : now_us;
}

int64_t tally_wait_us(struct tally *t)
{
	int64_t now = tally_now_us(), due;

	if (!t->first_us)
		t->first_us = now;
	if (t->sent == t->jobs || t->sent - t->done - t->failed >= t->window)
		return -1;
	due = due_us(t, now);
	return due > now ? due - now : 0;
}

int64_t tally_send(struct tally *t)
{
	t->due_us[t->sent] = due_us(t, tally_now_us());
	return t->sent++;
}

void tally_take_back(struct tally *t)
{
	t->due_us[--t->sent] = 0;
}

int tally_is_out(const struct tally *t, int64_t number)
{
	return number >= 0 && number < t->sent && t->due_us[number] != 0;
}

void tally_end(struct tally *t, int64_t number)
{
	t->last_us = tally_now_us();
	t->took_us[t->done++] = t->last_us - t->due_us[number];
	t->due_us[number] = 0;
}

void tally_fail(struct tally *t, int64_t number)
{
	t->last_us = tally_now_us();
	t->failed++;
	t->due_us[number] = 0;
}

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static double percentile_ms(const struct tally *t, int64_t per_cent)
{
	return t->done ? (double)t->took_us[(t->done - 1) * per_cent / 100] / 1000 : 0;
}

void tally_print(struct tally *t, const char *more)
{
	double seconds = (double)(t->last_us - t->first_us) / 1e6;

	qsort(t->took_us, (size_t)t->done, sizeof(*t->took_us), by_value);
	printf("{\"done\":%" PRId64 ",\"jobs\":%" PRId64
	       ",\"jobs_per_s\":%.1f,\"seconds\":%.3f,\"p50_ms\":%.3f,\"p95_ms\":%.3f,"
	       "\"p99_ms\":%.3f,\"max_ms\":%.3f%s}\n",
		t->done, t->jobs, seconds > 0 ? (double)t->done / seconds : 0, seconds, percentile_ms(t, 50),
		percentile_ms(t, 95), percentile_ms(t, 99), percentile_ms(t, 100), more);
}
