#include "webhook/signature.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/alloc.h"

#define PREFIX       "whsec_"
#define PREFIX_LEN   (sizeof(PREFIX) - 1)
#define RANDOM_BYTES 24
#define KEY_MAX      64 /* bytes: the standard's bound */
#define ENCODED_MAX  (4 * ((KEY_MAX + 2) / 3))

void og_webhook_secret_new(char ret[static OG_WEBHOOK_SECRET_SIZE])
{
	unsigned char random[RANDOM_BYTES];

	/* So few bytes come whole; a kernel that has not got the call runs nothing of ours. */
	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		abort();
	memcpy(ret, PREFIX, PREFIX_LEN);
	EVP_EncodeBlock((unsigned char *)ret + PREFIX_LEN, random, sizeof(random));
}

/* -1: it is no secret. */
static int key_of(const char *secret, unsigned char ret[static KEY_MAX + 3])
{
	size_t len = strlen(secret);
	int n;

	if (len <= PREFIX_LEN || strncmp(secret, PREFIX, PREFIX_LEN) != 0 || len - PREFIX_LEN > ENCODED_MAX)
		return -1;
	n = EVP_DecodeBlock(ret, (const unsigned char *)secret + PREFIX_LEN, (int)(len - PREFIX_LEN));
	while (n > 0 && secret[--len] == '=')
		n--;
	return n > 0 ? n : -1;
}

int og_webhook_sign(const char *secret, const char *id, int64_t timestamp_s, const char *body, size_t len,
	char ret[static OG_WEBHOOK_SIGNATURE_SIZE], struct og_error *err)
{
	og_autofree char *head = og_printf("%s.%" PRId64 ".", id, timestamp_s);
	unsigned char key[KEY_MAX + 3], mac[EVP_MAX_MD_SIZE];
	size_t head_len = strlen(head);
	og_autofree char *text = og_alloc(head_len + len + 1);
	int key_len = key_of(secret, key);
	unsigned mac_len = 0;

	if (key_len < 0)
		return og_fail(err, OG_INVALID, "the secret is not whsec_<base64>");
	memcpy(text, head, head_len);
	memcpy(text + head_len, body, len);
	if (!HMAC(EVP_sha256(), key, key_len, (unsigned char *)text, head_len + len, mac, &mac_len))
		abort(); /* a libcrypto without HMAC-SHA256 */
	memcpy(ret, "v1,", 3);
	EVP_EncodeBlock((unsigned char *)ret + 3, mac, (int)mac_len);
	return 0;
}
