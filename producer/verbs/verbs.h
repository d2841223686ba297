/* One declaration a verb; its definition is in the file of its name. */
#ifndef OG_VERBS_H
#define OG_VERBS_H

#include "cli.h"

extern const struct og_verb og_verb_prompt, og_verb_result, og_verb_wait, og_verb_cancel, og_verb_jobs, og_verb_job,
	og_verb_status, og_verb_clusters, og_verb_connect, og_verb_disconnect, og_verb_resources, og_verb_eligible,
	og_verb_peers, og_verb_tiers, og_verb_start, og_verb_stop, og_verb_config, og_verb_version, og_verb_help,
	og_verb_queues, og_verb_dead, og_verb_pause, og_verb_resume, og_verb_drain, og_verb_top, og_verb_batch,
	og_verb_attach, og_verb_keys, og_verb_tenants, og_verb_usage, og_verb_webhooks;

#endif
