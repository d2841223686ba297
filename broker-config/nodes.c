/* invite, accept, revoke: how a node on another host comes to its credentials and loses them. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/ini_edit.h"
#include "definitions.h"
#include "desired.h"
#include "join.h"
#include "secrets.h"
#include "verbs.h"

#define CONFIG_CAP (1024u * 1024)
#define LOCAL      "local" /* the name of this host's own users */

static const enum og_role node_roles[] = {OG_ROLE_WORKER, OG_ROLE_PRODUCER};

/* "NodeB" → "worker-nodeb": user names are lower case, node names are people's. */
static int user_of(enum og_role role, const char *node, char ret[static OG_NAME_MAX], struct og_error *err)
{
	size_t len = (size_t)snprintf(ret, OG_NAME_MAX, "%s-%s", og_role_name(role), node);

	for (size_t i = 0; i < len && i < OG_NAME_MAX; i++)
		ret[i] = (char)tolower((unsigned char)ret[i]);
	if (!*node || len >= OG_NAME_MAX || !og_name_is_user(ret))
		return og_fail(
			err, OG_INVALID, "'%s' cannot be a node's name here: letters, digits and -, at most 50", node);
	if (strcmp(strchr(ret, '-') + 1, LOCAL) == 0)
		return og_fail(err, OG_INVALID, "'%s' is this host itself: choose another name", node);
	return 0;
}

static bool is_loopback(const char *endpoints)
{
	return strncmp(endpoints, "127.", 4) == 0 || strncmp(endpoints, "localhost", 9) == 0 ||
	       strncmp(endpoints, "[::1]", 5) == 0;
}

static bool names(const json_t *definitions, const char *section, const char *name)
{
	json_t *item;
	size_t i;

	json_array_foreach(json_object_get(definitions, section), i, item)
	{
		if (strcmp(json_string_value(json_object_get(item, "name")), name) == 0)
			return true;
	}
	return false;
}

/* What must be known before users are made: that there is a cluster for them, and whether they take another's place. */
static int look(
	const struct og_management *m, const char *cluster, const char *user, bool *ret_again, struct og_error *err)
{
	json_t *definitions;
	int rc = 0;

	if (og_definitions_fetch(m, &definitions, err) != 0)
		return -1;
	*ret_again = names(definitions, "users", user);
	if (!names(definitions, "vhosts", cluster))
		rc = og_fail(
			err, OG_INVALID, "the broker has no cluster '%s' yet: run og-broker-config apply", cluster);
	json_decref(definitions);
	return rc;
}

/* Makes both users with their permissions, in one request. A node that is invited again gets new passwords. */
static int make_users(const struct og_management *m, const struct og_settings *s, const char *node, struct og_join *j,
	struct og_error *err)
{
	struct og_credentials *const credentials[] = {&j->worker, &j->producer};
	json_t *post = json_object();
	bool again = false;
	int rc = -1;

	for (size_t i = 0; i < OG_COUNT(node_roles); i++) {
		char user[OG_NAME_MAX];

		if (user_of(node_roles[i], node, user, err) != 0 || og_secrets_new(user, credentials[i], err) != 0)
			goto out;
		og_desired_add_user(post, s->cluster, node_roles[i], user, credentials[i]->password);
	}
	if (look(m, s->cluster, j->worker.user, &again, err) != 0)
		goto out;
	rc = og_management_call(m, "POST", "/api/definitions", post, NULL, NULL, err);
	if (rc == 0 && again)
		fprintf(stderr, "og-broker-config: '%s' was invited before: its earlier join string is void\n", node);
out:
	json_decref(post);
	return rc;
}

enum og_status og_verb_invite(struct og_call *c)
{
	const char *endpoints =
		*c->settings->broker_advertise ? c->settings->broker_advertise : c->settings->broker_endpoints;
	const struct og_flag flags[] = {{"endpoints", &endpoints}};
	struct og_management m;
	struct og_join join = {.tls = c->settings->broker_tls};
	og_autofree char *line = NULL;

	if (og_call_parse(c, flags, OG_COUNT(flags), 1) != 0)
		return OG_STATUS_USAGE;
	if (is_loopback(endpoints))
		fprintf(stderr,
			"og-broker-config: %s is reached from this host alone: give the address that the other host "
			"sees, "
			"with --endpoints HOST:PORT\n",
			endpoints);
	snprintf(join.endpoints, sizeof(join.endpoints), "%s", endpoints);
	snprintf(join.cluster, sizeof(join.cluster), "%s", c->settings->cluster);
	if (og_management_open(c->settings, &m, &c->err) != 0 ||
		make_users(&m, c->settings, c->argv[0], &join, &c->err) != 0)
		return OG_STATUS_FAILED;
	line = og_join_encode(&join);
	printf("%s\n", line);
	return OG_STATUS_OK;
}

static void set(char **text, const char *section, const char *key, const char *value)
{
	og_autofree char *before = *text;

	*text = og_ini_set(before, section, key, value);
}

static int write_config(const struct og_settings *s, const struct og_join *j, const char *ca, struct og_error *err)
{
	og_autofree char *path = og_path_join(s->root, "config.ini");
	og_autofree char *text = NULL;
	struct og_error missing;

	if (og_mkdir_p(s->root, 0700, err) != 0)
		return -1;
	if (og_file_read(path, CONFIG_CAP, &text, NULL, &missing) != 0) {
		if (missing.kind != OG_INVALID)
			return og_fail(err, missing.kind, "%s", missing.message);
		text = og_strdup("");
	}
	set(&text, "cluster", "id", j->cluster);
	set(&text, "broker", "endpoints", j->endpoints);
	set(&text, "broker", "tls", j->tls ? "yes" : "no");
	if (*ca)
		set(&text, "broker", "ca", ca);
	return og_file_write_atomic(path, text, strlen(text), 0600, err);
}

enum og_status og_verb_accept(struct og_call *c)
{
	const char *ca = "";
	const struct og_flag flags[] = {{"ca", &ca}};
	const struct og_settings *s = c->settings;
	struct og_join j;

	if (og_call_parse(c, flags, OG_COUNT(flags), 1) != 0)
		return OG_STATUS_USAGE;
	if (og_join_decode(c->argv[0], &j, &c->err) != 0)
		return OG_STATUS_FAILED;
	if (j.tls && !*ca && !*s->broker_ca) {
		og_fail(&c->err, OG_INVALID,
			"the broker speaks TLS: give the PEM file of the authority that signed its certificate, with "
			"--ca FILE");
		return OG_STATUS_FAILED;
	}
	if (og_secrets_write(s, "worker", &j.worker, &c->err) != 0 ||
		og_secrets_write(s, "producer", &j.producer, &c->err) != 0 || write_config(s, &j, ca, &c->err) != 0)
		return OG_STATUS_FAILED;
	printf("joined %s at %s\n", j.cluster, j.endpoints);
	return OG_STATUS_OK;
}

/* The broker closes the connections of a user that is deleted. */
enum og_status og_verb_revoke(struct og_call *c)
{
	struct og_management m;
	size_t gone = 0;

	if (og_call_parse(c, NULL, 0, 1) != 0)
		return OG_STATUS_USAGE;
	if (og_management_open(c->settings, &m, &c->err) != 0)
		return OG_STATUS_FAILED;
	for (size_t i = 0; i < OG_COUNT(node_roles); i++) {
		og_autofree char *path = NULL;
		char user[OG_NAME_MAX];
		int status = 0;

		if (user_of(node_roles[i], c->argv[0], user, &c->err) != 0)
			return OG_STATUS_FAILED;
		path = og_printf("/api/users/%s", user);
		if (og_management_call(&m, "DELETE", path, NULL, NULL, &status, &c->err) == 0)
			gone++;
		else if (status != 404)
			return OG_STATUS_FAILED;
	}
	if (!gone) {
		og_fail(&c->err, OG_INVALID, "no node '%s' was invited", c->argv[0]);
		return OG_STATUS_FAILED;
	}
	printf("revoked %s\n", c->argv[0]);
	return OG_STATUS_OK;
}
