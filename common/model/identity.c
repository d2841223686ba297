/* Who this process is: to the broker (credentials), and in the cluster (the node's id). */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/parse.h"
#include "model/settings.h"

#define FILE_CAP     4096
#define NODE_VERSION 1

static int parse_credentials(const char *path, const char *text, struct og_credentials *ret, struct og_error *err)
{
	struct og_credentials c;
	int end = 0;

	if (sscanf(text, "%127s %127s %n", c.user, c.password, &end) != 2 || text[end] || !og_name_is_user(c.user))
		return og_fail(err, OG_FATAL, "%s is not one line 'user password' (user: a-z, 0-9 and -)", path);
	*ret = c;
	return 0;
}

int og_credentials_load(const struct og_settings *s, const char *role, struct og_credentials *ret, struct og_error *err)
{
	og_autofree char *path = og_printf("%s/%s.credentials", s->secrets, role);
	og_autofree char *text = NULL;
	struct stat st;

	if (stat(path, &st))
		return og_fail(err, OG_FATAL,
			"cannot read %s: %s (og-broker-config makes these files; copy it from the host that did)", path,
			strerror(errno));
	if (st.st_mode & 077)
		return og_fail(err, OG_FATAL, "%s can be read by others: run chmod 600 '%s'", path, path);
	if (og_file_read(path, FILE_CAP, &text, NULL, err)) {
		if (err)
			err->kind = OG_FATAL;
		return -1;
	}
	return parse_credentials(path, text, ret, err);
}

static void unlock_at(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static int read_id(const char *path, char ret[static OG_ID_LEN + 1], struct og_error *err)
{
	og_autofree char *text = NULL;
	json_t *root;
	const char *id;
	int version = 0, rc = 0;
	size_t len;

	if (og_file_read(path, FILE_CAP, &text, &len, err))
		return -1;
	root = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	if (!root || json_unpack(root, "{s:i, s:s}", "version", &version, "id", &id) || version != NODE_VERSION ||
		!og_uuid_valid(id))
		rc = og_fail(err, OG_FATAL,
			"%s is damaged or of another version: remove it, and the node starts with a new id", path);
	else
		memcpy(ret, id, OG_ID_LEN + 1);
	json_decref(root);
	return rc;
}

static int make_id(const char *path, char ret[static OG_ID_LEN + 1], struct og_error *err)
{
	char id[OG_ID_LEN + 1];
	og_autofree char *text = NULL;

	og_uuid_new(id);
	text = og_printf("{\"version\": %d, \"id\": \"%s\"}\n", NODE_VERSION, id);
	if (og_file_write_atomic(path, text, strlen(text), 0644, err))
		return -1;
	memcpy(ret, id, sizeof(id));
	return 0;
}

/* Several workers of one node may start at once; the folder's lock lets one of them make the id. */
static int read_or_make_id(const char *dir, char ret[static OG_ID_LEN + 1], struct og_error *err)
{
	OG_CLEANUP(unlock_at) int lock = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	og_autofree char *path = og_path_join(dir, "node.json");

	if (lock < 0 || flock(lock, LOCK_EX))
		return og_fail(err, OG_FATAL, "cannot lock %s: %s", dir, strerror(errno));
	return access(path, F_OK) ? make_id(path, ret, err) : read_id(path, ret, err);
}

int og_node_id_load(const struct og_settings *s, struct og_node_id *ret, struct og_error *err)
{
	bool automatic = !strcmp(s->node_name, "auto");
	char host[OG_NAME_MAX - 5], key[OG_NAME_MAX]; /* room for "-" and four digits */
	const char *name = automatic ? host : s->node_name;
	struct og_node_id node;

	if (gethostname(host, sizeof(host)))
		return og_fail(err, OG_FATAL, "cannot tell this host's name: %s", strerror(errno));
	host[sizeof(host) - 1] = '\0';
	if (og_name_key(name, key, sizeof(key), err))
		return og_fail_in(err, "the node's name");
	if ((size_t)snprintf(node.dir, sizeof(node.dir), "%s/nodes/%s", s->root, key) >= sizeof(node.dir))
		return og_fail(err, OG_INVALID, "the root's path is too long: %s", s->root);
	if (og_mkdir_p(node.dir, 0700, err) || read_or_make_id(node.dir, node.id, err))
		return -1;
	if (automatic)
		snprintf(node.name, sizeof(node.name), "%s-%.4s", host, node.id);
	else
		snprintf(node.name, sizeof(node.name), "%s", name);
	*ret = node;
	return 0;
}
