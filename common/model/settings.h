/* Every setting of every program, as one table (settings.c), read from $OPENGATEWAY_POC_ROOT/config.ini, the
 * environment and --set. Adding a key: one field here, one row there; docs/CONFIG.md is made from it (`og config
 * --markdown`). */
#ifndef OG_MODEL_SETTINGS_H
#define OG_MODEL_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/config.h"
#include "model/topology.h"

struct og_settings {
	char *root; /* OPENGATEWAY_POC_ROOT, else the installation this program is of, else ~/.opengateway-poc */

	/* [cluster] */
	char *cluster;   /* POC_CLUSTER_ID, default gatewayai-poc; also the AMQP vhost and the Redis prefix */
	char *catalogue; /* path; default <root>/catalogue.ini; "" the built-in one */
	/* [node] */
	char *node_name; /* NODE_NAME; "auto": hostname and four digits of the node id */
	bool serve;      /* POC_SERVE */
	char *region;
	/* [broker] */
	char *broker_endpoints; /* OG_BROKER: "host:port,host:port"; tried in order, then again */
	char *broker_advertise; /* what `invite` tells other hosts; "" the endpoints */
	bool broker_tls;
	char *broker_ca, *broker_cert, *broker_key; /* PEM paths */
	bool broker_verify_host;
	int64_t broker_heartbeat_ms, broker_connect_timeout_ms;
	int64_t broker_window;   /* publishes without their confirm, at most */
	char *broker_management; /* URL of the management API, for og-broker-config */
	char *secrets;           /* folder of <user>.credentials files; default <root>/secrets */
	/* [redis] */
	char *redis; /* unix:/path or host:port */
	char *redis_user;
	int64_t redis_timeout_ms;
	/* [store] */
	char *store; /* unix:/path or host:port of the gateways' own Redis */
	char *store_user;
	int64_t store_timeout_ms, store_max_bytes;
	/* [scheduler] */
	int64_t default_deadline_ms, result_ttl_ms, result_max_bytes, no_capacity_after_ms;
	int64_t lookahead_percent; /* of a tier's slots, placed beyond them to hide the round trip */
	int64_t batch_leaves;      /* slots of a tier that the class batch leaves to the others */
	int64_t waiting_max_bytes; /* of all that waits in lanes */
	int64_t max_attempts, orphan_grace_ms, ageing_ms, affinity_wait_ms;
	char *tenants; /* path of the file of the tenants' weights and limits */
	struct og_topology_limits limits;
	/* [worker] */
	char *tier;    /* "auto" or a tier id */
	int64_t slots; /* 0: what the engine says, else 1 */
	int64_t drain_ms;
	/* [engine] */
	char *engine_kind;     /* openai, ollama, echo */
	char *engine_url;      /* OG_ENGINE_URL */
	char *engine_model;    /* "" the tier's engine_model */
	char *engine_key_file; /* bearer token */
	int64_t engine_connect_timeout_ms, engine_first_byte_timeout_ms, engine_idle_timeout_ms,
		engine_total_timeout_ms;
	/* [gateway] */
	char *gateway_listen, *gateway_tls_cert, *gateway_tls_key, *gateway_cors_origins, *gateway_background;
	bool gateway_loopback_without_key;
	int64_t gateway_body_max, gateway_bodies_max, gateway_stream_max, gateway_connections_max;
	int64_t gateway_idle_ms, gateway_body_ms, gateway_resume_ms, gateway_drain_ms;
	int64_t gateway_responses_ttl_ms, gateway_responses_max;
	char *gateway_files; /* absolute */
	int64_t gateway_file_max, gateway_files_max, gateway_files_keep_ms, gateway_batch_window;
	int64_t gateway_webhook_attempts, gateway_webhook_backoff_ms, gateway_webhook_timeout_ms;
	bool gateway_webhooks_private;
	/* [log] */
	char *log_level;
};

extern const struct og_config_row og_settings_rows[];
extern const size_t og_settings_n_rows;

/* Defaults, <root>/config.ini (or `file` where not NULL, which must exist then), the environment (an empty variable
 * counts as unset), then each of the NULL-terminated `sets` (may be NULL); the later wins. Paths are relative to the
 * root and come out absolute. */
int og_settings_load(const char *file, const char *const *sets, struct og_settings *ret, struct og_error *err);
void og_settings_done(struct og_settings *s);

/* <secrets>/<role>.credentials, mode 0600, one line "user password" (identity.c, like the node's id). FATAL where it
 * is missing, damaged, or can be read by others. */
struct og_credentials {
	char user[OG_NAME_MAX], password[OG_NAME_MAX];
};
int og_credentials_load(
	const struct og_settings *s, const char *role, struct og_credentials *ret, struct og_error *err);

/* The node's identity: a UUID made once, in <root>/nodes/<name key>/node.json (several nodes may share a root; for the
 * name `auto` the key is the host name's). The name is for people only. Safe against several workers that start at
 * once. */
struct og_node_id {
	char id[OG_ID_LEN + 1], name[OG_NAME_MAX];
	char dir[512]; /* <root>/nodes/<name key>, made */
};
int og_node_id_load(const struct og_settings *s, struct og_node_id *ret, struct og_error *err);

#endif
