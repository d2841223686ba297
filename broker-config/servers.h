/* The configuration files of the embedded RabbitMQ, Redis and store (the gateways' own Redis), as text. Pure. */
#ifndef OG_BROKER_CONFIG_SERVERS_H
#define OG_BROKER_CONFIG_SERVERS_H

#include "model/settings.h"

struct og_server_redis {
	char socket[108], host[256], port[8]; /* socket "": TCP */
};

/* Where the servers listen, taken from the settings, which say where the programs look for them. */
struct og_servers {
	char amqp[300], also[300];                     /* "address:port"; also: a second one, "" for none */
	char management_host[256], management_port[8]; /* loopback, as a rule */
	struct og_server_redis redis, store;
};

/* `listen`: an address, or address:port, for other hosts; "" for none. INVALID says which setting cannot be served. */
int og_servers_from(const struct og_settings *s, const char *listen, struct og_servers *ret, struct og_error *err);

/* `old`: what the file holds now, or NULL; what a person wrote below the last line of ours is kept. All are the
 * caller's. */
char *og_servers_rabbitmq_conf(const struct og_servers *v, const struct og_credentials *admin, const char *old);
char *og_servers_redis_conf(const struct og_servers *v, const struct og_settings *s, const char *dir, const char *old);
char *og_servers_store_conf(const struct og_servers *v, const struct og_settings *s, const char *dir, const char *old);
/* Of either: `user` is the one whose programs use it. */
char *og_servers_redis_acl(const char *cluster, const struct og_credentials *user, const struct og_credentials *admin);

#endif
