/* The key that the first gateway of a new store makes. Its secret is on the disk before the key exists, so that a death between the
 * two leaves no key that nobody knows. */
#ifndef OG_GATEWAY_FIRST_KEY_H
#define OG_GATEWAY_FIRST_KEY_H

#include "store/keys.h"

struct og_first_key;

struct og_first_key *og_first_key_new(struct og_gateway_store *s, const char *path, og_first_key_cb *cb, void *ctx);
/* One try, unless one is under way or it is done. The callback comes later, from the loop, when it is. */
void og_first_key_try(struct og_first_key *f);
void og_first_key_free(struct og_first_key *f); /* NULL is fine */

#endif
