#include "priority.h"

#include <math.h>

#define PRIORITY_MAX 100

int og_consumer_priority(double tokens_per_s)
{
	return tokens_per_s > 1 ? (int)lround(fmin(4 * log2(tokens_per_s), PRIORITY_MAX)) : 0;
}
