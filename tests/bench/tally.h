/* The jobs of a load, by number: when each fell due, how long it took from then, and the figures of all in one line of JSON, as every
 * program that makes a load of jobs prints it. Stands on nothing but libc: the clients of peers are built from it too. */
#ifndef OG_BENCH_TALLY_H
#define OG_BENCH_TALLY_H

#include <stdint.h>

struct tally {
	int64_t jobs, window, body, rate; /* as told; rate 0: closed loop, `window` jobs are out at any time */
	int64_t sent, done, failed;
	int64_t first_us, last_us;
	int64_t *due_us;  /* by the job's number; 0: it is not out */
	int64_t *took_us; /* of those that are done */
};

/* Takes --jobs, --window, --body and --rate out of the arguments; ends the program with a word where one is none of them, or lacks its
 * number. */
void tally_init(struct tally *t, int argc, char **argv);
/* For a program that has set jobs, window and rate itself. */
void tally_make(struct tally *t);
void tally_done(struct tally *t);

/* Microseconds until the next job is to be sent: 0: now, -1: not before one has come back (or there is none left). The clock starts with
 * the first call. */
int64_t tally_wait_us(struct tally *t);
/* The number of the job that is sent now; its time counts from when it fell due. */
int64_t tally_send(struct tally *t);
void tally_take_back(struct tally *t); /* the last, which could not be sent: it still is to be */
int tally_is_out(const struct tally *t, int64_t number);
void tally_end(struct tally *t, int64_t number);
void tally_fail(struct tally *t, int64_t number); /* it ended, and its time does not count */
/* Percentiles are sorted for here: nothing ends after it. `more` is written behind the figures: "" or `,"name":value…`. */
void tally_print(struct tally *t, const char *more);

int64_t tally_now_us(void); /* monotonic */

#endif
