/* The verbs of og-broker-config: one row of the table in main.c each. */
#ifndef OG_BROKER_CONFIG_VERBS_H
#define OG_BROKER_CONFIG_VERBS_H

#include "model/settings.h"

enum og_status {
	OG_STATUS_OK = 0,
	OG_STATUS_DRIFT = 1, /* check: the broker is not as it should be; apply: what it cannot mend is left */
	OG_STATUS_USAGE = 2,
	OG_STATUS_FAILED = 3,
};

struct og_call {
	const struct og_settings *settings;
	int argc; /* what follows the verb */
	char **argv;
	const struct og_verb *verb;
	struct og_error err; /* filled where FAILED or USAGE is returned */
};

struct og_verb {
	const char *name, *arguments, *summary, *help;
	enum og_status (*run)(struct og_call *c);
};

enum og_status og_verb_apply(struct og_call *c);
enum og_status og_verb_upgrade(struct og_call *c);
enum og_status og_verb_check(struct og_call *c);
enum og_status og_verb_render(struct og_call *c);
enum og_status og_verb_invite(struct og_call *c);
enum og_status og_verb_accept(struct og_call *c);
enum og_status og_verb_revoke(struct og_call *c);

/* Takes `--name value` options out of argv: each name's value lands in *values[i] (which keeps its default). What is
 * left are the arguments, exactly n of them. 0, or -1 with USAGE's words in c->err. */
struct og_flag {
	const char *name; /* "listen" */
	const char **value;
};
int og_call_parse(struct og_call *c, const struct og_flag *flags, size_t n_flags, int n_arguments);

#endif
