#include "secrets.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/backoff.h"
#include "base/file.h"

#define PASSWORD_DIGITS 32
#define LEASE_DIGITS    64

static bool is_there(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 || errno != ENOENT;
}

static int write_secret(const struct og_settings *s, const char *path, const char *text, struct og_error *err)
{
	if (og_mkdir_p(s->secrets, 0700, err) != 0)
		return -1;
	return og_file_write_atomic(path, text, strlen(text), 0600, err);
}

int og_secrets_new(const char *user, struct og_credentials *ret, struct og_error *err)
{
	if (!og_name_is_user(user))
		return og_fail(err, OG_INVALID, "'%s' is no user name: at most 64 of a-z, 0-9 and -", user);
	snprintf(ret->user, sizeof(ret->user), "%s", user);
	og_random_hex(ret->password, PASSWORD_DIGITS);
	return 0;
}

int og_secrets_write(
	const struct og_settings *s, const char *role, const struct og_credentials *c, struct og_error *err)
{
	og_autofree char *path = og_printf("%s/%s.credentials", s->secrets, role);
	og_autofree char *line = og_printf("%s %s\n", c->user, c->password);

	return write_secret(s, path, line, err);
}

int og_secrets_credentials(const struct og_settings *s, const char *role, const char *user, struct og_credentials *ret,
	struct og_error *err)
{
	og_autofree char *path = og_printf("%s/%s.credentials", s->secrets, role);
	struct og_credentials c;

	if (is_there(path))
		return og_credentials_load(s, role, ret, err);
	if (og_secrets_new(user, &c, err) != 0 || og_secrets_write(s, role, &c, err) != 0)
		return -1;
	*ret = c;
	return 0;
}

int og_secrets_lease_key(const struct og_settings *s, struct og_error *err)
{
	og_autofree char *path = og_path_join(s->secrets, "lease.key");
	char key[LEASE_DIGITS + 2];

	if (is_there(path))
		return 0;
	og_random_hex(key, LEASE_DIGITS);
	strcat(key, "\n");
	return write_secret(s, path, key, err);
}
