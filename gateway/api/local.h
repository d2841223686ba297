/* Whether a request that comes from this machine is its user's own doing. A page of the web that this machine's browser shows
 * comes from here too, as does all that a reverse proxy passes on. */
#ifndef OG_API_LOCAL_H
#define OG_API_LOCAL_H

#include <stdbool.h>

/* Headers of a request; NULL: not there. */
struct og_local_head {
	const char *host, *origin;
	bool forwarded; /* a proxy says for whom it asks */
};

/* `allowed`: the browser's origin is one that the operator let in (gateway.cors_origins). */
bool og_local_is_own(const struct og_local_head *head, bool allowed);

#endif
