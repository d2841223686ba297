#ifndef OG_API_HEALTH_H
#define OG_API_HEALTH_H

#include "api/api.h"

og_handler og_healthz, og_readyz, og_metrics_page;

#endif
