/* Whether something takes connections. */
#ifndef OG_SERVICE_PROBE_H
#define OG_SERVICE_PROBE_H

#include <stdbool.h>

/* "tcp:ADDRESS:PORT" (an address, no name), "unix:/PATH". Meant for this host: blocks for 50 ms at most. */
bool og_probe(const char *where);

#endif
