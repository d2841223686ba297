/* Counters of this process, for /metrics (Prometheus' text format, https://prometheus.io/docs/instrumenting/exposition_formats/). */
#ifndef OG_METRICS_H
#define OG_METRICS_H

#include <stdint.h>

#include "base/buf.h"

#define OG_METRIC_BUCKETS 10

struct og_histogram { /* of seconds */
	uint64_t buckets[OG_METRIC_BUCKETS + 1], count;
	double sum;
};

enum og_delivery { OG_DELIVERED, OG_DELIVERY_RETRIED, OG_DELIVERY_FAILED };
#define OG_DELIVERIES 3

struct og_metrics {
	uint64_t requests[6]; /* by the first digit of the status; 0: cut before one was sent */
	uint64_t prompt_tokens, completion_tokens;
	uint64_t streams, cancelled;        /* streams begun; prompts whose client went away */
	uint64_t deliveries[OG_DELIVERIES]; /* attempts to tell a webhook */
	struct og_histogram queue, first_token, total;
};

void og_histogram_add(struct og_histogram *h, double seconds);

/* What is not counted but looked at. */
struct og_gauges {
	uint64_t calls, connections, jobs;
	int broker_up, store_up;
};
void og_metrics_write(const struct og_metrics *m, const struct og_gauges *now, struct og_buf *out);

#endif
