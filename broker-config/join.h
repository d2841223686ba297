/* The join string: all that another host needs to be a node, on one line for a person to carry over.
 *
 *   og://host:port[,host:port]/cluster?worker=<user>:<password>&producer=<user>:<password>[&tls=1]
 *
 * Bytes other than letters, digits and -._~ are percent-encoded in every part; so are none of ours in practice. */
#ifndef OG_BROKER_CONFIG_JOIN_H
#define OG_BROKER_CONFIG_JOIN_H

#include <stdbool.h>

#include "model/settings.h"

struct og_join {
	char endpoints[1024]; /* "host:port,host:port" */
	char cluster[65];
	struct og_credentials worker, producer;
	bool tls;
};

char *og_join_encode(const struct og_join *j); /* the caller's */
/* INVALID says which part is wrong; it never repeats the string, which holds passwords. */
int og_join_decode(const char *text, struct og_join *ret, struct og_error *err);

#endif
