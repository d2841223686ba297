/* One question to the leading scheduler, from connect to close: what most verbs are. */
#ifndef OG_ASK_H
#define OG_ASK_H

#include <jansson.h>

#include "cli.h"
#include "table.h"

#define OG_ASK_MS      5000  /* how long a scheduler may take to answer */
#define OG_ASK_LONG_MS 60000 /* and for what goes through many messages */

/* `within_ms` counts from the connection's standing, which has a bound of its own. Takes over `body`. On success *ret
 * is the answer (the caller's to json_decref) and the value OG_EXIT_ANSWERED; else what to exit with, and `err` says
 * why: no broker, no scheduler, or the scheduler's own words. `cluster` NULL: the configured one; one that the broker
 * refuses is OG_EXIT_NOT_FOUND. */
enum og_exit og_ask(const struct og_cli *c, const char *cluster, const char *verb, json_t *body, int64_t within_ms,
	json_t **ret, struct og_error *err);

/* Whether the broker lets us into `cluster`: as og_ask, without a question. */
enum og_exit og_reach(const struct og_cli *c, const char *cluster, struct og_error *err);

/* og_ask in the configured cluster within OG_ASK_MS, telling what went wrong. */
enum og_exit og_ask_or_tell(struct og_cli *c, const char *verb, json_t *body, json_t **ret);
/* The same, for what may take its time: a walk through many messages. */
enum og_exit og_ask_long_or_tell(struct og_cli *c, const char *verb, json_t *body, json_t **ret);

/* og_ask_or_tell about the job whose id is the verb's first argument; one that is no id is a wrong usage. */
enum og_exit og_ask_about_job(struct og_cli *c, const char *verb, json_t **ret);

/* A whole verb: asks (as og_ask, within OG_ASK_MS) and prints the answer, as JSON or as the table that `fill` makes of
 * it. */
enum og_exit og_ask_table(struct og_cli *c, const char *cluster, const char *verb, json_t *body,
	const char *const *headings, size_t n_headings, void (*fill)(struct og_table *table, const json_t *answer));

/* A whole verb: asks and prints the answer, as JSON or as the line that `words` makes of it (without a newline; freed
 * here). */
enum og_exit og_ask_say(struct og_cli *c, const char *verb, json_t *body, char *(*words)(const json_t *answer));

#endif
