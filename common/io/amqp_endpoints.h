/* "host:port,host:port" as a list, and whose turn it is. Pure. */
#ifndef OG_IO_AMQP_ENDPOINTS_H
#define OG_IO_AMQP_ENDPOINTS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

#define OG_ENDPOINTS_MAX 16

struct og_endpoint {
	char host[256], port[6];
	char text[272]; /* for people: "host:port", "[::1]:5672" */
};

struct og_endpoints {
	struct og_endpoint list[OG_ENDPOINTS_MAX];
	size_t n, current;
};

/* INVALID names the part that is wrong. A host is a name or an address; an IPv6 address stands in brackets. */
int og_endpoints_parse(const char *text, unsigned default_port, struct og_endpoints *ret, struct og_error *err);
/* Moves on to the next; true where that is the first again: all were tried. */
bool og_endpoints_advance(struct og_endpoints *e);

#endif
