/* og-broker-config: the broker as docs/PROTOCOL.md wants it. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "verbs.h"

#define SETS_MAX 64

static const struct og_verb verbs[] = {
	{"apply", "", "make the broker as it should be",
		"Makes the cluster's vhost, its exchanges, queues and bindings, and this host's users (scheduler, "
		"gateway,\n"
		"worker-local, producer-local, operator) with their permissions; generates the passwords that are not "
		"there yet. "
		"Run\n"
		"again it makes what is missing and mends what differs; it deletes nothing. Users of invited nodes get "
		"the\n"
		"permissions of this version.\n\n"
		"Needs <secrets>/admin.credentials, one line `user password`, mode 0600: an administrator of the "
		"broker\n"
		"(`render` makes it for the embedded one).\n\n"
		"Exit status: 0 as it should be, 1 something is left that cannot be mended in place, 2 usage, 3 "
		"failed.\n",
		og_verb_apply},
	{"upgrade", "", "as apply, and replace what an earlier version made otherwise",
		"Does what `apply` does. Before that it deletes queues of the cluster that have other arguments and "
		"are "
		"empty\n"
		"(they are made anew), and bindings between its exchanges and queues that this version does not have. "
		"Stop the\n"
		"schedulers first. A queue that is not empty stays as it is, and is told.\n\n"
		"Exit status: as of apply.\n",
		og_verb_upgrade},
	{"check", "", "print how the broker differs from that",
		"One line a difference: missing, different or extra, and what. Changes nothing.\n\n"
		"Exit status: 0 none, 1 there are some, 2 usage, 3 failed.\n",
		og_verb_check},
	{"render", "FOLDER [--listen ADDRESS[:PORT]]", "write the configuration of the embedded RabbitMQ and Redis",
		"Writes FOLDER/rabbitmq/rabbitmq.conf and enabled_plugins, FOLDER/redis/redis.conf and users.acl, the "
		"same in\n"
		"FOLDER/store for the gateways' own Redis, and the secrets that are not there yet. Where they listen "
		"is what\n"
		"broker.endpoints, broker.management, redis.address and store.address say. Prints the files that "
		"changed, and nothing when none did.\n\n"
		"  --listen ADDRESS[:PORT]  RabbitMQ listens there as well, for other hosts\n",
		og_verb_render},
	{"invite", "NODE [--endpoints HOST:PORT,…]", "make a node's users and print its join string",
		"Makes the users worker-NODE and producer-NODE, which may serve and ask in this cluster and nothing "
		"else,\n"
		"and prints one line for `og-broker-config accept` on the other host. It holds their passwords: carry "
		"it as\n"
		"one carries a password. To invite a node again makes new passwords.\n\n"
		"  --endpoints HOST:PORT,…  how the other host reaches the broker (default: broker.endpoints)\n",
		og_verb_invite},
	{"accept", "JOIN-STRING [--ca FILE]", "on another host: take the line that invite printed",
		"Writes the cluster and the broker's address into config.ini, whose other lines stay as they are, and "
		"the\n"
		"credentials into <secrets>/worker.credentials and producer.credentials. Quote the line: it holds a "
		"&.\n\n"
		"  --ca FILE  PEM file of the authority that signed the broker's certificate, where it speaks TLS\n",
		og_verb_accept},
	{"revoke", "NODE", "delete a node's users",
		"Deletes worker-NODE and producer-NODE; their connections are closed, and jobs that the node held go "
		"to\n"
		"others.\n",
		og_verb_revoke},
};

static void print_usage(FILE *out)
{
	fprintf(out, "usage: og-broker-config [--config FILE] [--set SECTION.KEY=VALUE]… VERB …\n\n");
	for (size_t i = 0; i < OG_COUNT(verbs); i++)
		fprintf(out, "  %-8s %s\n", verbs[i].name, verbs[i].summary);
	fprintf(out, "\n`og-broker-config VERB --help` says more. Settings: docs/CONFIG.md.\n");
}

static void print_help(const struct og_verb *v)
{
	printf("usage: og-broker-config %s %s\n\n%s", v->name, v->arguments, v->help);
}

static const struct og_verb *find_verb(const char *name)
{
	for (size_t i = 0; i < OG_COUNT(verbs); i++) {
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	}
	return NULL;
}

static int usage_error(const char *message)
{
	fprintf(stderr, "og-broker-config: %s\n", message);
	print_usage(stderr);
	return OG_STATUS_USAGE;
}

static int run(const struct og_verb *verb, const char *config, const char *const *sets, int argc, char **argv)
{
	struct og_settings settings = {0};
	struct og_call call = {.settings = &settings, .argc = argc, .argv = argv, .verb = verb};
	enum og_status status = OG_STATUS_FAILED;

	if (og_settings_load(config, sets, &settings, &call.err) == 0)
		status = verb->run(&call);
	if (status == OG_STATUS_FAILED || status == OG_STATUS_USAGE)
		fprintf(stderr, "og-broker-config: %s\n", call.err.message);
	og_settings_done(&settings);
	return status;
}

int main(int argc, char **argv)
{
	const char *config = NULL, *sets[SETS_MAX + 1] = {0};
	const struct og_verb *verb;
	size_t n_sets = 0;
	int i = 1;

	og_log_init("og-broker-config", OG_LOG_WARN);
	for (; i < argc && argv[i][0] == '-'; i++) {
		if (strcmp(argv[i], "--help") == 0) {
			print_usage(stdout);
			return OG_STATUS_OK;
		}
		if (strcmp(argv[i], "--version") == 0) {
			printf("og-broker-config %s\n", OG_VERSION);
			return OG_STATUS_OK;
		}
		if (strcmp(argv[i], "--config") == 0 && i + 1 < argc)
			config = argv[++i];
		else if (strcmp(argv[i], "--set") == 0 && i + 1 < argc && n_sets < SETS_MAX)
			sets[n_sets++] = argv[++i];
		else
			return usage_error("unknown option, or one without its value");
	}
	if (i == argc)
		return usage_error("which verb?");
	verb = find_verb(argv[i]);
	if (!verb)
		return usage_error("unknown verb");
	for (int j = i + 1; j < argc; j++) {
		if (strcmp(argv[j], "--help") == 0) {
			print_help(verb);
			return OG_STATUS_OK;
		}
	}
	return run(verb, config, sets, argc - i - 1, argv + i + 1);
}
