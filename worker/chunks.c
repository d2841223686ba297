/* Who hears a run's chunks: its submitter, where it asked for them, and those who come later and ask for what was said
 * until then. The engine is always asked for a stream, so there are chunks to hear in every case.
 *
 * A message costs the broker what it costs however little is in it. So what comes in one turn of the loop goes out in as few
 * as the submitter can read, none waiting for others to come: a run's chunks as lines of one, and those of all runs, and
 * then their ends, one behind the other, so that the client of the broker can join them (io/amqp_bundle.h). */
#include <string.h>
#include <utlist.h>

#include "jobs_state.h"

void og_jobs_send_bundle(struct og_jobs *j, struct og_run *r)
{
	if (!r->bundled)
		return;
	DL_DELETE2(j->bundling, r, turn_prev, turn_next);
	og_publish_chunks(j->out, r, r->reply, r->bundle_seq, r->bundled, og_buf_str(&r->bundle), r->bundle.len);
	og_buf_clear(&r->bundle);
	r->bundled = 0;
}

static void on_turn(uv_idle_t *turn)
{
	struct og_jobs *j = turn->data;

	while (j->bundling)
		og_jobs_send_bundle(j, j->bundling);
	while (j->ending) {
		struct og_run *r = j->ending;

		DL_DELETE2(j->ending, r, turn_prev, turn_next);
		og_jobs_publish_end(r);
	}
	uv_idle_stop(turn);
}

void og_jobs_end_with_turn(struct og_jobs *j, struct og_run *r)
{
	DL_APPEND2(j->ending, r, turn_prev, turn_next);
	uv_idle_start(&j->turn, on_turn);
}

/* A chunk is one line. What has no room goes out alone. */
static void bundle(struct og_jobs *j, struct og_run *r, int64_t seq, const char *text, size_t len)
{
	if (r->bundle.len + 1 + len > OG_BUNDLE_MAX)
		og_jobs_send_bundle(j, r);
	if (len + 1 > OG_BUNDLE_MAX) {
		og_publish_chunk(j->out, r, r->reply, seq, text, len);
		return;
	}
	if (!r->bundled) {
		r->bundle_seq = seq;
		DL_APPEND2(j->bundling, r, turn_prev, turn_next);
		uv_idle_start(&j->turn, on_turn);
	} else {
		og_buf_add(&r->bundle, "\n", 1);
	}
	og_buf_add(&r->bundle, text, len);
	r->bundled++;
}

void og_jobs_chunk(struct og_jobs *j, struct og_run *r, const char *text, size_t len)
{
	int64_t seq = r->seq++;

	og_kept_add(&j->kept, &r->kept, seq, text, len);
	if (r->stream && r->bundles >= OG_BUNDLES_CHUNKS)
		bundle(j, r, seq, text, len);
	else if (r->stream)
		og_publish_chunk(j->out, r, r->reply, seq, text, len);
	for (size_t i = 0; i < r->n_hearers; i++)
		og_publish_chunk(j->out, r, r->hearers[i].reply, seq, text, len);
}

void og_jobs_attach(struct og_jobs *j, const char *id, const char *reply, int64_t from)
{
	struct og_run *r = og_runs_find(&j->runs, id);

	if (!r)
		return;
	for (const struct og_kept_chunk *c = og_kept_from(&r->kept, from); c; c = c->after)
		og_publish_chunk(j->out, r, reply, c->seq, c->text, c->len);
	if (!r->stream || strcmp(reply, r->reply) != 0)
		og_run_hear(r, reply);
}
