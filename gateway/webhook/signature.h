/* Signatures of Standard Webhooks (https://www.standardwebhooks.com, version 1): HMAC-SHA256 with a secret that the receiver has. */
#ifndef OG_WEBHOOK_SIGNATURE_H
#define OG_WEBHOOK_SIGNATURE_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define OG_WEBHOOK_SECRET_SIZE    (sizeof("whsec_") + 32) /* 24 random bytes in base64 */
#define OG_WEBHOOK_SIGNATURE_SIZE (sizeof("v1,") + 44)

void og_webhook_secret_new(char ret[static OG_WEBHOOK_SECRET_SIZE]);
/* "v1,<base64>" of "<id>.<timestamp>.<body>". INVALID: `secret` is not whsec_<base64>. */
int og_webhook_sign(const char *secret, const char *id, int64_t timestamp_s, const char *body, size_t len,
	char ret[static OG_WEBHOOK_SIGNATURE_SIZE], struct og_error *err);

#endif
