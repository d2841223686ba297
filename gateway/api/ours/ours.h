/* Our own surface, /api/v1 (docs/GATEWAY.md; openapi.json describes it). Jobs are those of the caller's tenant, of all tenants
 * for an administrator: the scheduler is told for whom we ask, and sees to it. */
#ifndef OG_API_OURS_H
#define OG_API_OURS_H

#include "api/api.h"

og_handler og_jobs_submit, og_jobs_list, og_jobs_show, og_jobs_cancel, og_jobs_result, og_jobs_events;
og_handler og_nodes_list, og_nodes_show, og_nodes_drain, og_nodes_undrain, og_nodes_register, og_nodes_heartbeat;
og_handler og_tiers_list, og_tiers_show, og_tiers_pause, og_tiers_resume, og_queues_list;
og_handler og_dead_list, og_dead_show, og_dead_requeue, og_dead_drop, og_dead_requeue_all, og_dead_drop_all;
og_handler og_keys_page, og_keys_make, og_keys_change, og_keys_revoke, og_keys_rotate;
og_handler og_tenants_page, og_tenants_show, og_tenants_put, og_tenants_remove, og_usage_show;
og_handler og_webhooks_make, og_webhooks_list, og_webhooks_show, og_webhooks_remove;
og_handler og_webhooks_enable, og_webhooks_rotate, og_webhooks_deliveries, og_webhooks_redeliver;
og_handler og_openapi;

/* What og_openapi answers, which is gateway/api/ours/openapi.json. */
extern const char og_openapi_text[];

/* The tenant for whom the scheduler is asked; NULL: an administrator sees all. */
const char *og_ours_tenant(const struct og_web_call *c);
/* As og_api_ask, for the caller's tenant. */
void og_ours_ask(struct og_api *api, struct og_web_call *c, const char *verb, json_t *args,
	json_t *(*form)(struct og_api *api, struct og_web_call *c, const json_t *answer));
/* As og_api_ask, what only an operator may order: in the caller's name, who is an administrator. */
void og_ours_order(struct og_api *api, struct og_web_call *c, const char *verb, json_t *args,
	json_t *(*form)(struct og_api *api, struct og_web_call *c, const json_t *answer));

/* The job that the path names; NULL: it is no id, and the call has been refused. */
const char *og_ours_job(struct og_web_call *c);

/* Parameters of the query into `args`. What is not there is left out; -1: the call has been refused. */
int og_ours_text(struct og_web_call *c, const char *name, json_t *args);
int og_ours_number(struct og_web_call *c, const char *name, int64_t min, int64_t max, const char *as,
	json_t *args);                                                                          /* as: the member */
int og_ours_duration(struct og_web_call *c, const char *name, int64_t max_ms, int64_t *ret_ms); /* 0: not there */

/* "/api/v1/jobs/<id>" and what hangs on it. A new reference. */
json_t *og_ours_links(const char *id);
/* {"id", "state", "result"} as text, the result's bytes as they came. malloc'ed. */
char *og_ours_ended(const char *id, const char *state, const char *result, size_t len, size_t *ret_len);

#endif
