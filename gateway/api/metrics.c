#include "api/metrics.h"

#include <inttypes.h>

#include "base/alloc.h"

static const double bounds[OG_METRIC_BUCKETS] = {0.005, 0.01, 0.025, 0.1, 0.25, 1, 2.5, 10, 60, 300};

void og_histogram_add(struct og_histogram *h, double seconds)
{
	size_t i = 0;

	while (i < OG_METRIC_BUCKETS && seconds > bounds[i])
		i++;
	h->buckets[i]++;
	h->count++;
	h->sum += seconds;
}

static void head(struct og_buf *out, const char *name, const char *type, const char *help)
{
	og_buf_addf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void number(struct og_buf *out, const char *name, const char *type, const char *help, uint64_t value)
{
	head(out, name, type, help);
	og_buf_addf(out, "%s %" PRIu64 "\n", name, value);
}

static void histogram(struct og_buf *out, const char *name, const char *help, const struct og_histogram *h)
{
	uint64_t sum = 0;

	head(out, name, "histogram", help);
	for (size_t i = 0; i < OG_METRIC_BUCKETS; i++) {
		sum += h->buckets[i];
		og_buf_addf(out, "%s_bucket{le=\"%g\"} %" PRIu64 "\n", name, bounds[i], sum);
	}
	og_buf_addf(out, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n%s_sum %g\n%s_count %" PRIu64 "\n", name, h->count, name,
		h->sum, name, h->count);
}

void og_metrics_write(const struct og_metrics *m, const struct og_gauges *now, struct og_buf *out)
{
	static const char *const classes[] = {"cut", "1xx", "2xx", "3xx", "4xx", "5xx"};
	static const char *const results[OG_DELIVERIES] = {"delivered", "retried", "failed"};

	head(out, "og_gateway_requests_total", "counter", "Requests that ended, by the class of their status.");
	for (size_t i = 0; i < OG_COUNT(classes); i++)
		og_buf_addf(out, "og_gateway_requests_total{status=\"%s\"} %" PRIu64 "\n", classes[i], m->requests[i]);
	number(out, "og_gateway_streams_total", "counter", "Streams that were begun.", m->streams);
	number(out, "og_gateway_cancelled_total", "counter", "Prompts whose client went away.", m->cancelled);
	number(out, "og_gateway_prompt_tokens_total", "counter", "Tokens of prompts whose client waited here.",
		m->prompt_tokens);
	number(out, "og_gateway_completion_tokens_total", "counter", "Tokens of answers whose client waited here.",
		m->completion_tokens);
	head(out, "og_gateway_webhook_attempts_total", "counter",
		"Events that were sent to webhooks, by what came of it.");
	for (size_t i = 0; i < OG_DELIVERIES; i++)
		og_buf_addf(out, "og_gateway_webhook_attempts_total{result=\"%s\"} %" PRIu64 "\n", results[i],
			m->deliveries[i]);
	number(out, "og_gateway_requests", "gauge", "Requests under way.", now->calls);
	number(out, "og_gateway_connections", "gauge", "Connections of clients.", now->connections);
	number(out, "og_gateway_jobs", "gauge", "Jobs that are followed.", now->jobs);
	number(out, "og_gateway_broker_up", "gauge", "1 while the broker is reached.", (uint64_t)now->broker_up);
	number(out, "og_gateway_store_up", "gauge", "1 while the store is reached.", (uint64_t)now->store_up);
	histogram(out, "og_gateway_queue_seconds", "From a prompt's acceptance to its start.", &m->queue);
	histogram(out, "og_gateway_first_token_seconds", "From a request to the first event of its stream.",
		&m->first_token);
	histogram(out, "og_gateway_request_seconds", "From a request to the end of its answer.", &m->total);
}
