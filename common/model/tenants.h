/* The tenants' weights and limits: one file, read by the scheduler at its start and at SIGHUP.
 *
 *   [default]                ; of every tenant that has no section of its own
 *   max_queued = 1000
 *
 *   [tenant nodea]           ; what it does not say is as in [default]
 *   weight = 4               ; its share, 1 to 1000, against those who wait beside it; 1 where nobody says
 *   max_running = 8          ; jobs placed at once, of all tiers; more wait. 0: any number, likewise the next
 *   max_queued = 100         ; jobs that wait; more are refused
 *   per_minute = 600         ; submits a minute, as many at once; more are refused
 */
#ifndef OG_MODEL_TENANTS_H
#define OG_MODEL_TENANTS_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "model/names.h"

#define OG_TENANTS_MAX  4096           /* sections */
#define OG_TENANTS_CAP  (1024u * 1024) /* bytes of the file */
#define OG_TENANT_LIMIT INT64_C(1000000000)

struct og_tenant_rule {
	char name[OG_NAME_MAX]; /* "": of [default] */
	int64_t weight, max_running, max_queued, per_minute;
};

struct og_tenants {
	struct og_tenant_rule usual;
	struct og_tenant_rule *rules;
	size_t n;
};

/* Errors name file, line and key, and what to write instead. Where `path` is "" or of a file that is not there, all are
 * equal and unlimited. */
int og_tenants_load(const char *path, struct og_tenants **ret, struct og_error *err);
int og_tenants_parse(const char *text, size_t len, const char *name, struct og_tenants **ret, struct og_error *err);
void og_tenants_free(struct og_tenants *t); /* NULL: none */

/* Never NULL; t may be (then all are equal). */
const struct og_tenant_rule *og_tenants_find(const struct og_tenants *t, const char *name);

#endif
