/* Questions to a gateway on this machine, over its control socket: keys, tenants and usage are in the gateways' store
 * (docs/GATEWAY.md), and any gateway will do. */
#ifndef OG_GATE_H
#define OG_GATE_H

#include <jansson.h>

#include "cli.h"

/* Takes over `request`. On success *ret is the answer (the caller's) and the value OG_EXIT_ANSWERED; else what went wrong has been
 * told. */
enum og_exit og_gate_ask(struct og_cli *c, const char *verb, json_t *request, json_t **ret);
/* The same of a list that comes in pages: the answer has all of it, under `list`. */
enum og_exit og_gate_ask_all(struct og_cli *c, const char *verb, json_t *request, const char *list, json_t **ret);

/* The options for limits of a key or a tenant, as rows of the verb's own table: `type` has them as its member `limits`. */
struct og_gate_limits {
	int64_t requests, tokens, running, budget; /* below 0: not said */
	const char *per;
};
#define OG_GATE_NO_LIMITS                                                                                              \
	{                                                                                                              \
		-1, -1, -1, -1, NULL                                                                                   \
	}
#define OG_GATE_LIMIT_MAX INT64_C(1000000000000)
#define OG_GATE_LIMIT_ROWS(type)                                                                                       \
	{"requests-per-minute", 0, "N", OG_OPTION_INT, offsetof(type, limits.requests), 0, OG_GATE_LIMIT_MAX,          \
		"requests a minute at most (0: any number)"},                                                          \
		{"tokens-per-minute", 0, "N", OG_OPTION_INT, offsetof(type, limits.tokens), 0, OG_GATE_LIMIT_MAX,      \
			"tokens a minute at most, of prompts and answers"},                                            \
		{"running", 0, "N", OG_OPTION_INT, offsetof(type, limits.running), 0, OG_GATE_LIMIT_MAX,               \
			"requests at once at most"},                                                                   \
		{"budget", 0, "TOKENS", OG_OPTION_INT, offsetof(type, limits.budget), 0, OG_GATE_LIMIT_MAX,            \
			"tokens at most, of prompts and answers"},                                                     \
	{                                                                                                              \
		"budget-per", 0, "day|month|total", OG_OPTION_TEXT, offsetof(type, limits.per), 0, 0,                  \
			"what the budget is for: a day or month of UTC, or all time (total)"                           \
	}
void og_gate_add_limits(json_t *request, const struct og_gate_limits *l);
/* "60/min, 5 at once, 1000 tokens a day", of an answer's key or tenant; "" where there are none. The caller frees. */
char *og_gate_limits_words(const json_t *object);

#endif
