/* RabbitMQ keeps base64(salt ‖ hash(salt ‖ password)), the salt being 4 bytes. To compute it here saves writing every
 * password again at every `apply`. */
#include <openssl/evp.h>
#include <string.h>

#include "drift.h"

#define SALT_LEN 4

static const EVP_MD *algorithm_of(const json_t *user)
{
	const char *name = json_string_value(json_object_get(user, "hashing_algorithm"));

	if (name && strcmp(name, "rabbit_password_hashing_sha256") == 0)
		return EVP_sha256();
	if (name && strcmp(name, "rabbit_password_hashing_sha512") == 0)
		return EVP_sha512();
	return NULL;
}

bool og_drift_password_fits(const json_t *user, const char *password)
{
	const char *text = json_string_value(json_object_get(user, "password_hash"));
	const EVP_MD *algorithm = algorithm_of(user);
	unsigned char salted[128], input[SALT_LEN + 256], hash[EVP_MAX_MD_SIZE];
	size_t len = text ? strlen(text) : 0, password_len = strlen(password);
	unsigned hash_len;

	if (!algorithm)
		return true;
	if (!len || len % 4 || len / 4 * 3 > sizeof(salted) || password_len > sizeof(input) - SALT_LEN)
		return false;
	if (EVP_DecodeBlock(salted, (const unsigned char *)text, (int)len) < SALT_LEN + EVP_MD_size(algorithm))
		return false;
	memcpy(input, salted, SALT_LEN);
	memcpy(input + SALT_LEN, password, password_len);
	if (!EVP_Digest(input, SALT_LEN + password_len, hash, &hash_len, algorithm, NULL))
		return false;
	return memcmp(hash, salted + SALT_LEN, hash_len) == 0;
}
