#include "model/settings.h"

#include <errno.h>
#include <pwd.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"
#include "base/parse.h"

#define SECOND INT64_C(1000)
#define HOUR   (3600 * SECOND)
#define DAY    (24 * HOUR)
#define MIB    (INT64_C(1) << 20)
#define TIB    (INT64_C(1) << 40)

#define AT(field) offsetof(struct og_settings, field)

/* Paths are relative to the root; settings_load makes them absolute. */
const struct og_config_row og_settings_rows[] = {
	{"cluster", "id", OG_CONFIG_STRING, AT(cluster), "gatewayai-poc", 0, 64, "POC_CLUSTER_ID",
		"The cluster: the broker's vhost and the prefix in Redis. Letters, digits, `.`, `_` and `-`."},
	{"cluster", "catalogue", OG_CONFIG_STRING, AT(catalogue), "catalogue.ini", 0, 0, NULL,
		"File of the tiers. Where it does not exist, or this is empty, the built-in catalogue counts."},

	{"node", "name", OG_CONFIG_STRING, AT(node_name), "auto", 0, OG_NAME_MAX - 1, "NODE_NAME",
		"What people see. `auto`: the host's name and four digits of the node's id."},
	{"node", "serve", OG_CONFIG_BOOL, AT(serve), "no", 0, 0, "POC_SERVE", "Whether this node answers prompts."},
	{"node", "region", OG_CONFIG_STRING, AT(region), "", 0, OG_NAME_MAX - 1, "OG_REGION",
		"A label, for people and for placement."},

	{"broker", "endpoints", OG_CONFIG_STRING, AT(broker_endpoints), "127.0.0.1:5672", 0, 1024, "OG_BROKER",
		"RabbitMQ, `host:port` with commas between, tried in order."},
	{"broker", "advertise", OG_CONFIG_STRING, AT(broker_advertise), "", 0, 1024, NULL,
		"The endpoints that other hosts use, which `og-broker-config invite` tells them; empty: `endpoints`."},
	{"broker", "tls", OG_CONFIG_BOOL, AT(broker_tls), "no", 0, 0, NULL, "Whether to speak TLS to the broker."},
	{"broker", "ca", OG_CONFIG_STRING, AT(broker_ca), "", 0, 0, NULL,
		"PEM file of the authorities that are trusted; needed with TLS."},
	{"broker", "cert", OG_CONFIG_STRING, AT(broker_cert), "", 0, 0, NULL,
		"PEM file of this client's certificate, where the broker wants one."},
	{"broker", "key", OG_CONFIG_STRING, AT(broker_key), "", 0, 0, NULL, "PEM file of that certificate's key."},
	{"broker", "verify_host", OG_CONFIG_BOOL, AT(broker_verify_host), "yes", 0, 0, NULL,
		"Whether the broker's certificate must name the host that was dialled."},
	{"broker", "heartbeat", OG_CONFIG_DURATION, AT(broker_heartbeat_ms), "5s", SECOND, 60 * SECOND, NULL,
		"A connection that is silent for twice this is dead."},
	{"broker", "connect_timeout", OG_CONFIG_DURATION, AT(broker_connect_timeout_ms), "5s", 100, 60 * SECOND, NULL,
		"For the whole of connecting to one endpoint."},
	{"broker", "window", OG_CONFIG_INT, AT(broker_window), "1024", 1, 65536, NULL,
		"Publishes without their confirm, at most."},
	{"broker", "management", OG_CONFIG_STRING, AT(broker_management), "http://127.0.0.1:15672", 0, 1024, NULL,
		"URL of RabbitMQ's management API, which `og-broker-config` uses."},
	{"broker", "secrets", OG_CONFIG_STRING, AT(secrets), "secrets", 0, 0, NULL,
		"Folder of the files `<role>.credentials`."},

	{"redis", "address", OG_CONFIG_STRING, AT(redis), "unix:redis/redis.sock", 0, 1024, NULL,
		"Redis, `unix:<path>` or `host:port`."},
	{"redis", "user", OG_CONFIG_STRING, AT(redis_user), "", 0, OG_NAME_MAX - 1, NULL,
		"ACL user; empty: the one of the scheduler's credentials file, where there is one."},
	{"redis", "timeout", OG_CONFIG_DURATION, AT(redis_timeout_ms), "1s", 10, 60 * SECOND, NULL,
		"For a command and for connecting."},

	{"store", "address", OG_CONFIG_STRING, AT(store), "unix:store/redis.sock", 0, 1024, NULL,
		"The gateways' own Redis, which keeps keys, tenants and the ledger: `unix:<path>` or `host:port`."},
	{"store", "user", OG_CONFIG_STRING, AT(store_user), "", 0, OG_NAME_MAX - 1, NULL,
		"ACL user; empty: the one of the gateway's credentials file."},
	{"store", "timeout", OG_CONFIG_DURATION, AT(store_timeout_ms), "1s", 10, 60 * SECOND, NULL,
		"For a command and for connecting."},
	{"store", "max_bytes", OG_CONFIG_BYTES, AT(store_max_bytes), "512MiB", MIB, TIB, NULL,
		"Of memory that it may fill; then it refuses to write, and the gateways say that they are busy."},

	{"scheduler", "default_deadline", OG_CONFIG_DURATION, AT(default_deadline_ms), "1h", SECOND, 30 * DAY, NULL,
		"Of a job that brings none."},
	{"scheduler", "result_ttl", OG_CONFIG_DURATION, AT(result_ttl_ms), "24h", SECOND, 30 * DAY, NULL,
		"How long a result is kept."},
	{"scheduler", "result_max_bytes", OG_CONFIG_BYTES, AT(result_max_bytes), "256MiB", MIB, TIB, NULL,
		"Of all results kept; the oldest go first."},
	{"scheduler", "no_capacity_after", OG_CONFIG_DURATION, AT(no_capacity_after_ms), "30s", SECOND, HOUR, NULL,
		"A job for a tier that nobody served for so long is refused; one that waits gets 10 min."},
	{"scheduler", "lookahead_percent", OG_CONFIG_INT, AT(lookahead_percent), "25", 0, 1000, NULL,
		"Of a tier's slots, placed beyond them to hide the round trip."},
	{"scheduler", "batch_leaves", OG_CONFIG_INT, AT(batch_leaves), "1", 0, 1000, NULL,
		"Slots of a tier that the class batch leaves to the others; one it has always. 0: it leaves none."},
	{"scheduler", "waiting_max_bytes", OG_CONFIG_BYTES, AT(waiting_max_bytes), "1GiB", MIB, TIB, NULL,
		"Of all that waits; keep it well below the broker's memory and disk alarms."},
	{"scheduler", "max_attempts", OG_CONFIG_INT, AT(max_attempts), "3", 1, 100, NULL,
		"After so many failed attempts, or workers that died while they ran it alone, a job is a dead letter."},
	{"scheduler", "orphan_grace", OG_CONFIG_DURATION, AT(orphan_grace_ms), "30s", SECOND, HOUR, NULL,
		"A submitter that is gone for so long has its jobs cancelled, unless it detached them."},
	{"scheduler", "ageing", OG_CONFIG_DURATION, AT(ageing_ms), "60s", SECOND, DAY, NULL,
		"What has waited for so long gets an eighth of its tier's placements, whatever its class."},
	{"scheduler", "affinity_wait", OG_CONFIG_DURATION, AT(affinity_wait_ms), "250ms", 0, 60 * SECOND, NULL,
		"How long a session's next prompt waits for the worker that has its cache."},
	{"scheduler", "tenants", OG_CONFIG_STRING, AT(tenants), "tenants.ini", 0, 0, NULL,
		"File of the tenants' weights and limits; where it does not exist all are equal and unlimited."},
	{"scheduler", "intake_max_jobs", OG_CONFIG_INT, AT(limits.intake_max_jobs), "10000", 1, 100000000, NULL,
		"In the intake queue."},
	{"scheduler", "intake_max_bytes", OG_CONFIG_BYTES, AT(limits.intake_max_bytes), "256MiB", MIB, TIB, NULL,
		"In the intake queue."},
	{"scheduler", "lane_max_jobs", OG_CONFIG_INT, AT(limits.lane_max_jobs), "100000", 1, 100000000, NULL,
		"In each lane."},
	{"scheduler", "lane_max_bytes", OG_CONFIG_BYTES, AT(limits.lane_max_bytes), "512MiB", MIB, TIB, NULL,
		"In each lane."},
	{"scheduler", "reply_max_bytes", OG_CONFIG_BYTES, AT(limits.reply_max_bytes), "64MiB", MIB, TIB, NULL,
		"In a producer's reply queue; the oldest go first, and what is missed comes with the end."},
	{"scheduler", "dead_max_jobs", OG_CONFIG_INT, AT(limits.dead_max_jobs), "10000", 1, 100000000, NULL,
		"In the queue of dead letters; what is more waits in og.dead.intake until some are dropped or "
		"requeued."},
	{"scheduler", "dead_max_bytes", OG_CONFIG_BYTES, AT(limits.dead_max_bytes), "256MiB", MIB, TIB, NULL,
		"In the queue of dead letters."},

	{"worker", "tier", OG_CONFIG_STRING, AT(tier), "auto", 0, OG_NAME_MAX - 1, NULL,
		"The tier to serve. `auto`: the best that this machine is eligible for and the engine has."},
	{"worker", "slots", OG_CONFIG_INT, AT(slots), "0", 0, 1024, NULL,
		"Prompts at a time. 0: what the engine says, else 1."},
	{"worker", "drain", OG_CONFIG_DURATION, AT(drain_ms), "30s", 0, DAY, NULL,
		"How long what runs may take to end when the program is told to stop."},

	{"engine", "kind", OG_CONFIG_STRING, AT(engine_kind), "openai", 0, 32, "OG_ENGINE_KIND",
		"`openai` (any compatible server), `ollama`, or `echo` (for tests)."},
	{"engine", "url", OG_CONFIG_STRING, AT(engine_url), "", 0, 1024, "OG_ENGINE_URL",
		"Where the engine listens, without the path: `http://127.0.0.1:8080`."},
	{"engine", "model", OG_CONFIG_STRING, AT(engine_model), "", 0, OG_NAME_MAX - 1, NULL,
		"What the engine calls the model; empty: what the catalogue says."},
	{"engine", "key_file", OG_CONFIG_STRING, AT(engine_key_file), "", 0, 0, NULL,
		"File with the engine's bearer token, where it wants one."},
	{"engine", "connect_timeout", OG_CONFIG_DURATION, AT(engine_connect_timeout_ms), "5s", 10, HOUR, NULL,
		"For connecting to the engine."},
	{"engine", "first_byte_timeout", OG_CONFIG_DURATION, AT(engine_first_byte_timeout_ms), "120s", 100, DAY, NULL,
		"From the request to the answer's first byte."},
	{"engine", "idle_timeout", OG_CONFIG_DURATION, AT(engine_idle_timeout_ms), "30s", 100, DAY, NULL,
		"Between two pieces of an answer."},
	{"engine", "total_timeout", OG_CONFIG_DURATION, AT(engine_total_timeout_ms), "1h", SECOND, 30 * DAY, NULL,
		"For a whole answer."},

	{"gateway", "listen", OG_CONFIG_STRING, AT(gateway_listen), "127.0.0.1:8080", 0, 256, "OG_GATEWAY_LISTEN",
		"Where og-gateway listens, `host:port` or `[v6]:port`; `0.0.0.0:8080` for all the network."},
	{"gateway", "tls_cert", OG_CONFIG_STRING, AT(gateway_tls_cert), "", 0, 0, NULL,
		"PEM file of its certificate and what leads to its authority; with `tls_key`: it speaks TLS."},
	{"gateway", "tls_key", OG_CONFIG_STRING, AT(gateway_tls_key), "", 0, 0, NULL,
		"PEM file of that certificate's key."},
	{"gateway", "cors_origins", OG_CONFIG_STRING, AT(gateway_cors_origins), "", 0, 4096, NULL,
		"Origins whose pages may ask, with commas between, or `*`; empty: none."},
	{"gateway", "loopback_without_key", OG_CONFIG_BOOL, AT(gateway_loopback_without_key), "no", 0, 0, NULL,
		"Whether who asks from this machine needs no key."},
	{"gateway", "body_max", OG_CONFIG_BYTES, AT(gateway_body_max), "8MiB", 1024, 8 * MIB, NULL,
		"Of a request's body."},
	{"gateway", "bodies_max", OG_CONFIG_BYTES, AT(gateway_bodies_max), "512MiB", 8 * MIB, TIB, NULL,
		"Of all bodies that are kept at a time; what comes beyond is refused, to come again."},
	{"gateway", "stream_max", OG_CONFIG_BYTES, AT(gateway_stream_max), "4MiB", 65536, 1024 * MIB, NULL,
		"Of a stream that its reader does not take in time; beyond it the connection is cut."},
	{"gateway", "connections_max", OG_CONFIG_INT, AT(gateway_connections_max), "20000", 1, 1000000, NULL,
		"Of clients at a time."},
	{"gateway", "idle_timeout", OG_CONFIG_DURATION, AT(gateway_idle_ms), "75s", SECOND, HOUR, NULL,
		"For the head of a request, from the connection's opening or the last answer on."},
	{"gateway", "body_timeout", OG_CONFIG_DURATION, AT(gateway_body_ms), "30s", SECOND, HOUR, NULL,
		"For the body of a request; each 64 KiB of it give another second."},
	{"gateway", "resume_grace", OG_CONFIG_DURATION, AT(gateway_resume_ms), "30s", SECOND, HOUR, NULL,
		"How long a job that can be resumed outlives its client."},
	{"gateway", "responses_ttl", OG_CONFIG_DURATION, AT(gateway_responses_ttl_ms), "24h", SECOND, 30 * DAY, NULL,
		"How long a response can be asked for and gone on from; its answer no longer than "
		"`scheduler.result_ttl`."},
	{"gateway", "responses_max", OG_CONFIG_BYTES, AT(gateway_responses_max), "128MiB", MIB, TIB, NULL,
		"Of all responses that the store keeps; the oldest go first."},
	{"gateway", "background", OG_CONFIG_STRING, AT(gateway_background),
		"task:title_generation, task:tags_generation, task:follow_up_generation, task:emoji_generation, "
		"prompt:### Task: Generate a concise, prompt:### Task: Generate 1-3 broad tags, "
		"prompt:### Task: Suggest 3-5 relevant follow-up, prompt:Your task is to reflect the speaker's likely "
		"facial",
		0, 4096, NULL,
		"Which requests chat UIs make on the side of a conversation: they go to the class `batch` where their "
		"client names none. `task:NAME` (`metadata.task`) and `prompt:TEXT` (how what the user says last "
		"begins), with commas between; empty: none."},
	{"gateway", "files", OG_CONFIG_STRING, AT(gateway_files), "files", 0, 0, NULL,
		"Folder for the files of clients, shared by all gateways; relative to the data root."},
	{"gateway", "file_max", OG_CONFIG_BYTES, AT(gateway_file_max), "200MiB", 1024, 512 * 1024 * MIB, NULL,
		"Of one file."},
	{"gateway", "files_max", OG_CONFIG_BYTES, AT(gateway_files_max), "10GiB", 1024, TIB, NULL,
		"Of all files; beyond it no more are taken."},
	{"gateway", "files_keep", OG_CONFIG_DURATION, AT(gateway_files_keep_ms), "30d", 0, 365 * DAY, NULL,
		"How long the files of batches stay, those that go in and those that come out, where nothing else is "
		"said of them (`expires_after`, `output_expires_after`). Other files stay until they are removed; 0: "
		"these too."},
	{"gateway", "batch_window", OG_CONFIG_INT, AT(gateway_batch_window), "64", 1, 1000, NULL,
		"Lines of a batch that are on their way at once."},
	{"gateway", "webhook_attempts", OG_CONFIG_INT, AT(gateway_webhook_attempts), "10", 1, 30, NULL,
		"How often an event is sent to a webhook before it is listed as failed."},
	{"gateway", "webhook_backoff", OG_CONFIG_DURATION, AT(gateway_webhook_backoff_ms), "5s", 10, HOUR, NULL,
		"Between the first attempt and the second; four times as long after each, at most 8 h."},
	{"gateway", "webhook_timeout", OG_CONFIG_DURATION, AT(gateway_webhook_timeout_ms), "15s", 100, 20 * SECOND,
		NULL, "For one attempt, name and answer included."},
	{"gateway", "webhooks_private", OG_CONFIG_BOOL, AT(gateway_webhooks_private), "no", 0, 0, NULL,
		"Whether webhooks may lead into private networks and to this machine."},
	{"gateway", "drain", OG_CONFIG_DURATION, AT(gateway_drain_ms), "30s", 0, DAY, NULL,
		"How long what is under way may take to end when the program is told to stop."},

	{"log", "level", OG_CONFIG_STRING, AT(log_level), "info", 0, 16, "OG_LOG_LEVEL", "debug, info, warn or error."},
};
const size_t og_settings_n_rows = OG_COUNT(og_settings_rows);

/* The root that this very program was installed into: it lies in <root>/bin, beside the installer's mark. NULL: in none. */
static char *installed_root(void)
{
	static const char mark[] = ".build";
	char path[4096];
	ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - sizeof(mark));
	char *slash;

	if (len <= 0)
		return NULL;
	path[len] = '\0';
	slash = strrchr(path, '/');
	strcpy(slash + 1, mark);
	if (access(path, F_OK) != 0)
		return NULL;
	*slash = '\0';
	slash = strrchr(path, '/');
	return slash && !strcmp(slash, "/bin") ? og_strndup(path, (size_t)(slash - path)) : NULL;
}

static char *home_root(void)
{
	const char *home = getenv("HOME");
	const struct passwd *pw;

	if (!home || !*home) {
		pw = getpwuid(getuid());
		home = pw ? pw->pw_dir : NULL;
	}
	return home && *home ? og_path_join(home, ".opengateway-poc") : NULL;
}

/* $OPENGATEWAY_POC_ROOT, else where this program was installed, else ~/.opengateway-poc; absolute. */
static int find_root(char **ret, struct og_error *err)
{
	const char *root = getenv("OPENGATEWAY_POC_ROOT");
	char cwd[4096];

	if (root && *root == '/') {
		*ret = og_strdup(root);
	} else if (root && *root) {
		if (!getcwd(cwd, sizeof(cwd)))
			return og_fail(err, OG_FATAL, "cannot tell where OPENGATEWAY_POC_ROOT=%s is: %s", root,
				strerror(errno));
		*ret = og_path_join(cwd, root);
	} else {
		char *found = installed_root();

		if (!found)
			found = home_root();
		if (!found)
			return og_fail(err, OG_FATAL, "neither OPENGATEWAY_POC_ROOT nor HOME is set: set one of them");
		*ret = found;
	}
	return 0;
}

static void make_absolute(const char *root, char **path)
{
	static const char unix_prefix[] = "unix:";
	const char *prefix = strncmp(*path, unix_prefix, 5) ? "" : unix_prefix;
	const char *rest = *path + strlen(prefix);
	og_autofree char *joined = NULL;
	char *whole;

	if (!*rest || *rest == '/')
		return;
	joined = og_path_join(root, rest);
	whole = og_printf("%s%s", prefix, joined);
	free(*path);
	*path = whole;
}

static void make_paths_absolute(struct og_settings *s)
{
	char **const paths[] = {&s->catalogue, &s->tenants, &s->broker_ca, &s->broker_cert, &s->broker_key, &s->secrets,
		&s->engine_key_file, &s->gateway_tls_cert, &s->gateway_tls_key, &s->gateway_files};

	for (size_t i = 0; i < OG_COUNT(paths); i++)
		make_absolute(s->root, paths[i]);
	if (!strncmp(s->redis, "unix:", 5))
		make_absolute(s->root, &s->redis);
	if (!strncmp(s->store, "unix:", 5))
		make_absolute(s->root, &s->store);
}

/* What one row cannot say by its bounds. */
static int check(const struct og_settings *s, struct og_error *err)
{
	static const char safe[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
	enum og_log_level level;

	if (!*s->cluster || s->cluster[strspn(s->cluster, safe)])
		return og_fail(err, OG_INVALID,
			"cluster.id (POC_CLUSTER_ID) '%s': 1 to 64 letters, digits, '.', '_' and '-' are allowed",
			s->cluster);
	if (!*s->node_name)
		return og_fail(err, OG_INVALID, "node.name (NODE_NAME) is empty: give a name, or auto");
	if (!*s->broker_endpoints)
		return og_fail(err, OG_INVALID, "broker.endpoints (OG_BROKER) is empty: give host:port");
	if (s->broker_tls && !*s->broker_ca)
		return og_fail(err, OG_INVALID, "broker.tls is on and broker.ca is empty: name the PEM file of the CA");
	if (!*s->broker_cert != !*s->broker_key)
		return og_fail(err, OG_INVALID, "broker.cert and broker.key go together: one of them is empty");
	if (strcmp(s->engine_kind, "openai") && strcmp(s->engine_kind, "ollama") && strcmp(s->engine_kind, "echo"))
		return og_fail(err, OG_INVALID, "engine.kind (OG_ENGINE_KIND) '%s' is none of openai, ollama, echo",
			s->engine_kind);
	return og_log_level_parse(s->log_level, &level, err) ? og_fail_in(err, "log.level (OG_LOG_LEVEL)") : 0;
}

static int load(const char *file, const char *const *sets, struct og_settings *s, struct og_error *err)
{
	og_autofree char *path = NULL;

	og_config_defaults(og_settings_rows, og_settings_n_rows, s);
	if (find_root(&s->root, err))
		return -1;
	path = file ? og_strdup(file) : og_path_join(s->root, "config.ini");
	if (file && access(file, R_OK))
		return og_fail(err, OG_INVALID, "cannot read %s: %s", file, strerror(errno));
	if (og_config_read_file(og_settings_rows, og_settings_n_rows, s, path, err) ||
		og_config_read_env(og_settings_rows, og_settings_n_rows, s, err))
		return -1;
	for (; sets && *sets; sets++)
		if (og_config_set(og_settings_rows, og_settings_n_rows, s, *sets, err))
			return og_fail_in(err, "--set");
	if (check(s, err))
		return -1;
	make_paths_absolute(s);
	return 0;
}

int og_settings_load(const char *file, const char *const *sets, struct og_settings *ret, struct og_error *err)
{
	struct og_settings s = {0};

	if (load(file, sets, &s, err)) {
		og_settings_done(&s);
		return -1;
	}
	*ret = s;
	return 0;
}

void og_settings_done(struct og_settings *s)
{
	og_config_done(og_settings_rows, og_settings_n_rows, s);
	free(s->root);
	s->root = NULL;
}
