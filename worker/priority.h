/* The priority of a tier's consumer. Pure. */
#ifndef OG_WORKER_PRIORITY_H
#define OG_WORKER_PRIORITY_H

/* Where two could have a job the broker gives it to the one of the higher priority. 4 * log2 of the tokens per second
 * that one slot gives: a step is a fifth, so that noise is none. 0: not known. */
int og_consumer_priority(double tokens_per_s);

#endif
