/* The verbs, in the order in which help lists them. A verb more is one row here and one file in verbs/. */
#include <string.h>

#include "base/alloc.h"
#include "verbs/verbs.h"

const struct og_verb *const og_verbs[] = {
	&og_verb_prompt,
	&og_verb_batch,
	&og_verb_result,
	&og_verb_wait,
	&og_verb_attach,
	&og_verb_cancel,
	&og_verb_jobs,
	&og_verb_job,
	&og_verb_queues,
	&og_verb_top,
	&og_verb_dead,
	&og_verb_pause,
	&og_verb_resume,
	&og_verb_drain,
	&og_verb_keys,
	&og_verb_tenants,
	&og_verb_usage,
	&og_verb_webhooks,
	&og_verb_tiers,
	&og_verb_peers,
	&og_verb_status,
	&og_verb_clusters,
	&og_verb_connect,
	&og_verb_disconnect,
	&og_verb_resources,
	&og_verb_eligible,
	&og_verb_start,
	&og_verb_stop,
	&og_verb_config,
	&og_verb_version,
	&og_verb_help,
};
const size_t og_n_verbs = OG_COUNT(og_verbs);

static const struct {
	const char *name, *verb;
} aliases[] = {
	{"join", "connect"},
	{"leave", "disconnect"},
};

const struct og_verb *og_verb_find(const char *name)
{
	for (size_t i = 0; i < OG_COUNT(aliases); i++)
		if (!strcmp(aliases[i].name, name))
			name = aliases[i].verb;
	for (size_t i = 0; i < og_n_verbs; i++)
		if (!strcmp(og_verbs[i]->name, name))
			return og_verbs[i];
	return NULL;
}
