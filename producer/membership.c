#include "membership.h"

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/file.h"
#include "service/supervisor.h"

#define WORKER      "og-worker"
#define AUTO        "auto" /* the node's name, where nobody chose one */
#define LEFT        "services/left"
#define FILE_CAP    8192u
#define DRAIN_EXTRA 5000 /* ms that a worker may take beyond its drain */

static const char *env_of(const struct og_supervised *s, const char *name, const char *otherwise)
{
	size_t len = strlen(name);

	for (char *const *e = s->env; *e; e++)
		if (!strncmp(*e, name, len) && (*e)[len] == '=')
			return *e + len + 1;
	return otherwise;
}

static bool is_worker(const struct og_supervised *service)
{
	const char *program = service->args[0] ? strrchr(service->args[0], '/') : NULL;

	return program ? !strcmp(program + 1, WORKER) : service->args[0] && !strcmp(service->args[0], WORKER);
}

static bool is_auto(const struct og_settings *s)
{
	return !strcmp(s->node_name, AUTO);
}

int og_membership_id(const struct og_settings *s, const char *node, struct og_node_id *ret, struct og_error *err)
{
	struct og_settings named = *s;

	named.node_name = (char *)node; /* borrowed, and only read */
	return og_node_id_load(&named, ret, err);
}

/* Whether the settings' NODE_NAME means the node that a service file calls `node`: by that name, or, where nobody chose one,
 * by the one that people see. */
static bool is_meant(const struct og_settings *s, const char *node)
{
	struct og_node_id id;

	if (is_auto(s) || !strcmp(node, s->node_name))
		return true;
	return !strcmp(node, AUTO) && og_membership_id(s, node, &id, NULL) == 0 && !strcmp(id.name, s->node_name);
}

static int add_file(const struct og_settings *s, const char *cluster, const char *path, struct og_memberships *m,
	struct og_error *err)
{
	struct og_supervised service;
	const char *its_cluster, *its_node;

	if (og_supervised_parse(path, &service, err) < 0)
		return -1;
	its_cluster = env_of(&service, "POC_CLUSTER_ID", s->cluster);
	its_node = env_of(&service, "NODE_NAME", AUTO);
	if (is_worker(&service) && (!cluster || !strcmp(its_cluster, cluster)) && (!cluster || is_meant(s, its_node))) {
		m->items = og_realloc(m->items, (m->n + 1) * sizeof(*m->items));
		m->items[m->n++] = (struct og_membership){
			.path = og_strdup(path),
			.service = og_strdup(service.name),
			.cluster = og_strdup(its_cluster),
			.node = og_strdup(its_node),
			.serve = !strcmp(env_of(&service, "POC_SERVE", s->serve ? "1" : "0"), "1"),
		};
	}
	og_supervised_done(&service);
	return 0;
}

static int load(const struct og_settings *s, const char *files, const char *cluster, struct og_memberships *ret,
	struct og_error *err)
{
	og_autofree char *pattern = og_path_join(s->root, files);
	struct og_memberships m = {0};
	glob_t found = {0};
	int rc = 0;

	if (glob(pattern, 0, NULL, &found) == 0)
		for (size_t i = 0; i < found.gl_pathc && !rc; i++)
			rc = add_file(s, cluster, found.gl_pathv[i], &m, err);
	globfree(&found);
	if (rc < 0) {
		og_memberships_done(&m);
		return -1;
	}
	*ret = m;
	return 0;
}

int og_memberships_load(
	const struct og_settings *s, const char *cluster, struct og_memberships *ret, struct og_error *err)
{
	return load(s, "services/*.ini", cluster, ret, err);
}

int og_memberships_left(
	const struct og_settings *s, const char *cluster, struct og_memberships *ret, struct og_error *err)
{
	return load(s, LEFT "/*.ini", cluster, ret, err);
}

void og_memberships_done(struct og_memberships *m)
{
	for (size_t i = 0; i < m->n; i++) {
		free(m->items[i].path);
		free(m->items[i].service);
		free(m->items[i].cluster);
		free(m->items[i].node);
	}
	free(m->items);
	*m = (struct og_memberships){0};
}

/* A word of a command line, as the supervisor reads it. */
static void add_word(struct og_buf *out, const char *word)
{
	og_buf_adds(out, "\"");
	for (; *word; word++) {
		if (*word == '"' || *word == '\\')
			og_buf_adds(out, "\\");
		og_buf_add(out, word, 1);
	}
	og_buf_adds(out, "\"");
}

/* The worker lies beside this very program. */
static int worker_path(char out[static 1024], struct og_error *err)
{
	ssize_t len = readlink("/proc/self/exe", out, 1023);
	char *slash;

	out[len > 0 ? len : 0] = '\0';
	slash = strrchr(out, '/');
	if (!slash || (size_t)(slash - out) + sizeof("/" WORKER) > 1024)
		return og_fail(err, OG_FATAL, "cannot tell where this program lies: %s", strerror(errno));
	strcpy(slash, "/" WORKER);
	if (access(out, X_OK) < 0)
		return og_fail(err, OG_FATAL, "%s: %s", out, strerror(errno));
	return 0;
}

/* services/30-worker-<node>.ini; where that is there, for another cluster, the cluster's name is added. */
static int service_path(const struct og_settings *s, const char *cluster, char **ret, struct og_error *err)
{
	char key[OG_NAME_MAX], other[OG_NAME_MAX];
	const char *node = key;
	struct og_node_id id;

	if (og_name_key(cluster, other, sizeof(other), err) < 0 || og_name_key(s->node_name, key, sizeof(key), err) < 0)
		return -1;
	if (is_auto(s)) {
		if (og_node_id_load(s, &id, err) < 0)
			return -1;
		node = strrchr(id.dir, '/') + 1;
	}
	*ret = og_printf("%s/services/30-worker-%s.ini", s->root, node);
	if (access(*ret, F_OK) == 0) {
		free(*ret);
		*ret = og_printf("%s/services/30-worker-%s-%s.ini", s->root, node, other);
	}
	return 0;
}

/* Two workers of one node must differ by their instance; a cluster always gives the same one. */
static unsigned instance_of(const struct og_settings *s, const char *cluster)
{
	unsigned hash = 0;

	if (!strcmp(cluster, s->cluster))
		return 1;
	while (*cluster)
		hash = (hash * 31 + (unsigned char)*cluster++) % 9000;
	return 1000 + hash;
}

int og_membership_write(
	const struct og_settings *s, const char *cluster, const struct og_membership *existing, struct og_error *err)
{
	og_autofree char *folder = og_path_join(s->root, "services");
	og_autofree char *path = existing ? og_strdup(existing->path) : NULL;
	const char *node = existing ? existing->node : s->node_name;
	char worker[1024];
	struct og_buf text;
	int rc;

	if (worker_path(worker, err) < 0 || (!path && service_path(s, cluster, &path, err) < 0) ||
		og_mkdir_p(folder, 0700, err) < 0)
		return -1;
	og_buf_init(&text, FILE_CAP);
	og_buf_adds(&text, "[service]\ncommand = ");
	add_word(&text, worker);
	og_buf_addf(&text, " --instance %u\n", instance_of(s, cluster));
	if (strcmp(node, AUTO) != 0)
		og_buf_addf(&text, "env.NODE_NAME = %s\n", node);
	og_buf_addf(&text, "env.POC_CLUSTER_ID = %s\nenv.POC_SERVE = %d\nstop_ms = %lld\n", cluster, s->serve,
		(long long)s->drain_ms + DRAIN_EXTRA);
	rc = og_file_write_atomic(path, text.data, text.len, 0600, err);
	og_buf_done(&text);
	return rc;
}

/* ── left and come back ── */

static int move_to(const struct og_membership *m, const char *folder, char **ret, struct og_error *err)
{
	og_autofree char *path = og_path_join(folder, strrchr(m->path, '/') + 1);

	if (og_mkdir_p(folder, 0700, err) < 0)
		return -1;
	if (rename(m->path, path) < 0)
		return og_fail(err, OG_FATAL, "%s to %s: %s", m->path, path, strerror(errno));
	*ret = OG_TAKE(path);
	return 0;
}

int og_membership_leave(const struct og_settings *s, const struct og_membership *m, char **ret, struct og_error *err)
{
	og_autofree char *folder = og_path_join(s->root, LEFT);

	return move_to(m, folder, ret, err);
}

int og_membership_return(const struct og_settings *s, struct og_membership *m, struct og_error *err)
{
	og_autofree char *folder = og_path_join(s->root, "services");
	og_autofree char *there = og_path_join(folder, strrchr(m->path, '/') + 1);
	char *path;

	if (access(there, F_OK) == 0)
		return og_fail(err, OG_INVALID, "%s is there already: remove %s, or that one", there, m->path);
	if (move_to(m, folder, &path, err) < 0)
		return -1;
	free(m->path);
	m->path = path;
	return 0;
}
