/* Who hears a run's chunks: its submitter, where it asked for them, and those who come later and ask for what was said
 * until then. The engine is always asked for a stream, so there are chunks to hear in every case. */
#include <string.h>

#include "jobs_state.h"

void og_jobs_chunk(struct og_jobs *j, struct og_run *r, const char *text, size_t len)
{
	int64_t seq = r->seq++;

	og_kept_add(&j->kept, &r->kept, seq, text, len);
	if (r->stream)
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
