/* Where events may be sent: the URLs are tenants', the network is ours. So what is not of the public internet is refused, when a URL is
 * named and at each connection, of the address that its name has then: a name may change its mind. Pure. */
#ifndef OG_WEBHOOK_TARGET_H
#define OG_WEBHOOK_TARGET_H

#include <stdbool.h>
#include <sys/socket.h>

#include "base/error.h"

#define OG_WEBHOOK_URL_MAX 2048

/* False: loopback, private, link-local (the metadata services of clouds are there), multicast, and whatever else is not routed in
 * public; an IPv4 address within an IPv6 one (mapped, 6to4, NAT64) is judged as itself. */
bool og_address_is_public(const struct sockaddr *address);

struct og_webhook_target {
	char *host; /* no brackets around an IPv6 address */
};
/* INVALID: no http or https URL, or with a user, a password or a fragment in it. */
int og_webhook_target_read(const char *url, struct og_webhook_target *ret, struct og_error *err);
void og_webhook_target_done(struct og_webhook_target *t);

#endif
