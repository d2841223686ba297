/* What a key or a tenant may use. Pure. */
#ifndef OG_GATEWAY_LIMITS_H
#define OG_GATEWAY_LIMITS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

#define OG_LIMIT_MAX INT64_C(1000000000000)

enum og_budget_per { OG_BUDGET_TOTAL, OG_BUDGET_DAY, OG_BUDGET_MONTH }; /* days and months of UTC */

/* 0: any number. */
struct og_limits {
	int64_t requests_per_minute, tokens_per_minute; /* a minute's worth may come at once */
	int64_t running;                                /* at once */
	int64_t budget;                                 /* tokens, of prompts and answers */
	enum og_budget_per budget_per;
};

bool og_limits_any(const struct og_limits *l);

const char *og_budget_per_name(enum og_budget_per per); /* "total", "day", "month" */
int og_budget_per_parse(const char *name, enum og_budget_per *ret, struct og_error *err);

#endif
