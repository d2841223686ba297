/* Generated secrets: files of mode 0600 in a folder of mode 0700. One that is there is never changed. */
#ifndef OG_BROKER_CONFIG_SECRETS_H
#define OG_BROKER_CONFIG_SECRETS_H

#include "model/settings.h"

/* Loads <secrets>/<role>.credentials; where there is none, makes it for `user` with a password of 128 random bits. */
int og_secrets_credentials(const struct og_settings *s, const char *role, const char *user, struct og_credentials *ret,
	struct og_error *err);
int og_secrets_write(
	const struct og_settings *s, const char *role, const struct og_credentials *c, struct og_error *err);

/* <secrets>/lease.key: 32 random bytes in hex, known to schedulers alone (docs/PROTOCOL.md, Lease). */
int og_secrets_lease_key(const struct og_settings *s, struct og_error *err);

/* A new user's credentials, written nowhere. INVALID: the name is no user name. */
int og_secrets_new(const char *user, struct og_credentials *ret, struct og_error *err);

#endif
