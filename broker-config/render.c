/* render: the files of the embedded default. Run again it changes nothing that need not change; the files that did
 * change are printed, so that the caller knows which server to start anew. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "secrets.h"
#include "servers.h"
#include "verbs.h"

#define FILE_CAP (1024u * 1024)

/* NULL: there is none that can be read. */
static char *read_old(const char *path)
{
	char *text = NULL;

	return og_file_read(path, FILE_CAP, &text, NULL, NULL) == 0 ? text : NULL;
}

static int write_if_changed(const char *path, const char *old, const char *text, struct og_error *err)
{
	if (old && strcmp(old, text) == 0)
		return 0;
	if (og_file_write_atomic(path, text, strlen(text), 0600, err) != 0)
		return -1;
	printf("%s\n", path);
	return 0;
}

static int render_rabbitmq(
	const char *dir, const struct og_servers *v, const struct og_credentials *admin, struct og_error *err)
{
	og_autofree char *conf_path = og_path_join(dir, "rabbitmq.conf"), *old_conf = read_old(conf_path);
	og_autofree char *plugins_path = og_path_join(dir, "enabled_plugins"), *old_plugins = read_old(plugins_path);
	og_autofree char *conf = og_servers_rabbitmq_conf(v, admin, old_conf);

	if (og_mkdir_p(dir, 0700, err) != 0 || write_if_changed(conf_path, old_conf, conf, err) != 0)
		return -1;
	return write_if_changed(plugins_path, old_plugins, "[rabbitmq_management].\n", err);
}

typedef char *make_conf(const struct og_servers *v, const struct og_settings *s, const char *dir, const char *old);

/* Either of the two, for its user and its administrator: each has a role of its own in the secrets. */
static int render_redis(const char *dir, make_conf *make, const struct og_servers *v, const struct og_settings *s,
	const char *role, const char *admin_role, struct og_error *err)
{
	struct og_credentials user, admin;
	og_autofree char *conf_path = og_path_join(dir, "redis.conf"), *old_conf = read_old(conf_path);
	og_autofree char *acl_path = og_path_join(dir, "users.acl"), *old_acl = read_old(acl_path);
	og_autofree char *conf = make(v, s, dir, old_conf), *acl = NULL;

	if (og_secrets_credentials(s, admin_role, "admin", &admin, err) != 0 ||
		og_secrets_credentials(s, role, role, &user, err) != 0)
		return -1;
	acl = og_servers_redis_acl(s->cluster, &user, &admin);

	if (og_mkdir_p(dir, 0700, err) != 0 || write_if_changed(conf_path, old_conf, conf, err) != 0)
		return -1;
	return write_if_changed(acl_path, old_acl, acl, err);
}

enum og_status og_verb_render(struct og_call *c)
{
	const struct og_settings *s = c->settings;
	const char *listen = "";
	const struct og_flag flags[] = {{"listen", &listen}};
	struct og_credentials admin;
	og_autofree char *folder = NULL, *rabbitmq = NULL, *redis = NULL, *store = NULL;
	struct og_servers v;

	if (og_call_parse(c, flags, OG_COUNT(flags), 1) != 0)
		return OG_STATUS_USAGE;
	if (og_mkdir_p(c->argv[0], 0700, &c->err) != 0)
		return OG_STATUS_FAILED;
	folder = realpath(c->argv[0], NULL); /* what Redis reads must not depend on where it is started */
	rabbitmq = og_path_join(folder, "rabbitmq");
	redis = og_path_join(folder, "redis");
	store = og_path_join(folder, "store");
	if (og_servers_from(s, listen, &v, &c->err) != 0 ||
		og_secrets_credentials(s, "admin", "admin", &admin, &c->err) != 0 ||
		og_secrets_lease_key(s, &c->err) != 0 || render_rabbitmq(rabbitmq, &v, &admin, &c->err) != 0 ||
		render_redis(redis, og_servers_redis_conf, &v, s, "scheduler", "redis-admin", &c->err) != 0 ||
		render_redis(store, og_servers_store_conf, &v, s, "gateway", "store-admin", &c->err) != 0)
		return OG_STATUS_FAILED;
	return OG_STATUS_OK;
}
