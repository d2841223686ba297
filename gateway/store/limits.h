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

/* Their names: keys in JSON, and fields in the store, in this order; the last is a text. */
enum { OG_LIMITS_N = 5 };
extern const char *const og_limits_names[OG_LIMITS_N];

bool og_limits_any(const struct og_limits *l);

/* A number by its name's place (the first four). */
int64_t *og_limits_number(struct og_limits *l, size_t i);

const char *og_budget_per_name(enum og_budget_per per); /* "total", "day", "month" */
int og_budget_per_parse(const char *name, enum og_budget_per *ret, struct og_error *err);

/* The limits that `object` names; those it does not name stay as they are. *ret_named (may be NULL): bit i, name i was there.
 * INVALID says which is wrong, and how. */
int og_limits_read(const json_t *object, struct og_limits *l, unsigned *ret_named, struct og_error *err);
void og_limits_write(json_t *object, const struct og_limits *l); /* those that there are */

#endif
