/* What og-gauge prints, for people and as JSON. */
#ifndef OG_GAUGE_REPORT_H
#define OG_GAUGE_REPORT_H

#include <stdio.h>

#include "model/catalogue.h"
#include "model/profile.h"

/* The machine, a line a measure. */
void og_report_profile(const struct og_profile *p, FILE *out);
void og_report_profile_json(const struct og_profile *p, FILE *out); /* as in resources.json */

/* The catalogue, a line a tier: what it needs, whether it is met, and if not, why. Returns how many are met. */
size_t og_report_tiers(const struct og_profile *p, const struct og_catalogue *c, FILE *out);
size_t og_report_tiers_json(const struct og_profile *p, const struct og_catalogue *c, FILE *out);

/* One line: how many of the tiers are met, and which. */
void og_report_eligible(const struct og_profile *p, const struct og_catalogue *c, FILE *out);

#endif
