#include "servers.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/parse.h"

#define FILE_CAP (1024u * 1024)
#define MIB      (1024 * 1024)
#define HEADER   "# Written by `og-broker-config render`, which writes all above the last line of this block again.\n\n"
#define KEPT     "# ---- what stands below this line is yours and is kept ----\n"

/* "host:port" into both; a bare host takes the default port. */
static int split(const char *address, const char *default_port, const char *what, char *host, size_t host_size,
	char *port, size_t port_size, struct og_error *err)
{
	const char *colon = strrchr(address, ':');
	size_t len = colon ? (size_t)(colon - address) : strlen(address);
	int64_t number;

	if (!len || len >= host_size || strcspn(address, " \t\"'#,") != strlen(address))
		return og_fail(err, OG_INVALID, "%s: '%s' is no address", what, address);
	snprintf(port, port_size, "%s", colon ? colon + 1 : default_port);
	if (og_parse_int(port, 1, 65535, &number, err) != 0)
		return og_fail_in(err, "%s: the port of '%s'", what, address);
	snprintf(host, host_size, "%.*s", (int)len, address);
	return 0;
}

static int from_amqp(const struct og_settings *s, const char *listen, struct og_servers *v, struct og_error *err)
{
	og_autofree char *first = og_strndup(s->broker_endpoints, strcspn(s->broker_endpoints, ","));
	char host[256], port[8], own_port[8];

	if (split(first, "5672", "broker.endpoints", host, sizeof(host), port, sizeof(port), err) != 0)
		return -1;
	/* RabbitMQ wants an address, and turns no name into one. */
	snprintf(v->amqp, sizeof(v->amqp), "%s:%s", strcmp(host, "localhost") == 0 ? "127.0.0.1" : host, port);
	if (!*listen)
		return 0;
	strcpy(own_port, port);
	if (split(listen, own_port, "--listen", host, sizeof(host), port, sizeof(port), err) != 0)
		return -1;
	snprintf(v->also, sizeof(v->also), "%s:%s", host, port);
	/* All addresses include the first: the kernel lets nobody have both. */
	if (strcmp(host, "0.0.0.0") == 0 && strcmp(port, own_port) == 0) {
		strcpy(v->amqp, v->also);
		*v->also = '\0';
	}
	return 0;
}

static int from_management(const struct og_settings *s, struct og_servers *v, struct og_error *err)
{
	const char *scheme = "http://", *url = s->broker_management;

	if (strncmp(url, scheme, strlen(scheme)) != 0)
		return og_fail(err, OG_INVALID, "broker.management: '%s' does not begin with %s", url, scheme);
	if (split(url + strlen(scheme), "15672", "broker.management", v->management_host, sizeof(v->management_host),
		    v->management_port, sizeof(v->management_port), err) != 0)
		return -1;
	if (strcmp(v->management_host, "localhost") == 0)
		strcpy(v->management_host, "127.0.0.1");
	return 0;
}

static int from_redis(const char *address, const char *what, struct og_server_redis *ret, struct og_error *err)
{
	const char *path = address + strlen("unix:");

	if (strncmp(address, "unix:", strlen("unix:")) != 0)
		return split(address, "6379", what, ret->host, sizeof(ret->host), ret->port, sizeof(ret->port), err);
	if (strlen(path) >= sizeof(ret->socket))
		return og_fail(err, OG_INVALID,
			"%s: a socket's path is at most 107 bytes and this one has %zu: choose a shorter root", what,
			strlen(path));
	strcpy(ret->socket, path);
	return 0;
}

int og_servers_from(const struct og_settings *s, const char *listen, struct og_servers *ret, struct og_error *err)
{
	struct og_servers v = {0};

	if (from_amqp(s, listen, &v, err) != 0 || from_management(s, &v, err) != 0 ||
		from_redis(s->redis, "redis.address", &v.redis, err) != 0 ||
		from_redis(s->store, "store.address", &v.store, err) != 0)
		return -1;
	*ret = v;
	return 0;
}

static void add(struct og_buf *b, const char *why, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

static void add(struct og_buf *b, const char *why, const char *fmt, ...)
{
	va_list ap;
	char line[512];

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	og_buf_addf(b, "# %s\n%s\n", why, line);
}

static char *finish(struct og_buf *b, const char *old)
{
	const char *kept = old ? strstr(old, KEPT) : NULL;

	og_buf_adds(b, "\n" KEPT);
	if (kept)
		og_buf_adds(b, kept + strlen(KEPT));
	return og_buf_take(b);
}

char *og_servers_rabbitmq_conf(const struct og_servers *v, const struct og_credentials *admin, const char *old)
{
	struct og_buf b;

	og_buf_init(&b, FILE_CAP);
	og_buf_adds(&b, HEADER);
	add(&b, "Where the programs of this host find it.", "listeners.tcp.1 = %s", v->amqp);
	if (*v->also)
		add(&b, "Where other hosts find it.", "listeners.tcp.2 = %s", v->also);
	add(&b, "The management API gives and takes users: this host alone.",
		"management.tcp.ip = %s\nmanagement.tcp.port = %s", v->management_host, v->management_port);
	add(&b, "Nobody reads its charts here, and they cost a statistics message for each queue and channel.",
		"management_agent.disable_metrics_collector = true");
	add(&b, "The first start makes this administrator; with one named, no `guest` ever exists.",
		"default_user = %s\ndefault_pass = %s\ndefault_user_tags.administrator = true", admin->user,
		admin->password);
	add(&b,
		"A worker acks when the job is done: 4 h is above the longest. Passing it would close the worker's "
		"channel.",
		"consumer_timeout = 14400000");
	add(&b, "Publishers are stopped above this share of the memory; an engine wants the rest.",
		"vm_memory_high_watermark.relative = 0.4");
	add(&b, "Publishers are stopped while less is free: what is queued lies on this disk.",
		"disk_free_limit.absolute = 512MB");
	add(&b,
		"The log of the quorum queues is held in memory up to this, some three times over; 512 MiB is for "
		"servers.",
		"raft.wal_max_size_bytes = 67108864");
	add(&b, "Seconds. A dead peer is noticed within two; the clients ask for less where they want less.",
		"heartbeat = 10");
	add(&b,
		"The cap of a body is 8 MiB; with its headers a message is below this. Later versions have the same "
		"default.",
		"max_message_size = 16777216");
	add(&b, "In a cluster the smaller side of a cut stops, so that nothing is accepted on both.",
		"cluster_partition_handling = pause_minority");
	add(&b, "Small messages must not wait for company, and a vanished host is noticed by the kernel too.",
		"tcp_listen_options.nodelay = true\ntcp_listen_options.keepalive = true");
	add(&b, "What a person should look at, in one file that does not grow without end.",
		"log.console = false\nlog.file = rabbitmq.log\nlog.file.level = warning\n"
		"log.file.rotation.size = 8388608\nlog.file.rotation.count = 1");
	return finish(&b, old);
}

/* As redis.conf wants a word that may hold blanks. */
static char *quoted(const char *s)
{
	struct og_buf b;

	og_buf_init(&b, FILE_CAP);
	og_buf_adds(&b, "\"");
	for (; *s; s++)
		og_buf_addf(&b, "%s%c", *s == '"' || *s == '\\' ? "\\" : "", *s);
	og_buf_adds(&b, "\"");
	return og_buf_take(&b);
}

/* What both have in common: where it listens, who may do what, where its files lie. */
static void add_redis(struct og_buf *b, const struct og_server_redis *at, const char *whose, const char *dir)
{
	og_autofree char *folder = quoted(dir), *socket = quoted(at->socket);
	og_autofree char *acl_path = og_path_join(dir, "users.acl"), *acl = quoted(acl_path);

	og_buf_adds(b, HEADER);
	if (*at->socket)
		add(b, "A socket that only this user may open, and no port.",
			"unixsocket %s\nunixsocketperm 700\nport 0", socket);
	else
		add(b, whose, "bind %s\nport %s", at->host, at->port);
	add(b, "Who may do what.", "aclfile %s", acl);
	add(b, "Everything it keeps lies here.", "dir %s", folder);
	add(b, "Full is an error that is seen; a record that vanishes is not.", "maxmemory-policy noeviction");
	add(b, "Kept in the foreground by whoever started it, which also keeps its output.",
		"daemonize no\nlogfile \"\"\nloglevel notice");
}

char *og_servers_redis_conf(const struct og_servers *v, const struct og_settings *s, const char *dir, const char *old)
{
	struct og_buf b;

	og_buf_init(&b, FILE_CAP);
	add_redis(&b, &v->redis, "Where the scheduler finds it.", dir);
	add(&b, "A view that can be rebuilt: written every second, and no snapshots beside it.",
		"appendonly yes\nappendfsync everysec\nsave \"\"");
	add(&b,
		"Results have a budget of their own (scheduler.result_max_bytes); this is it and as much again for "
		"copies, "
		"and 256 MiB for records.",
		"maxmemory %lld", 2 * (long long)s->result_max_bytes + 256LL * MIB);
	return finish(&b, old);
}

char *og_servers_store_conf(const struct og_servers *v, const struct og_settings *s, const char *dir, const char *old)
{
	struct og_buf b;

	og_buf_init(&b, FILE_CAP);
	add_redis(&b, &v->store, "Where the gateways find it.", dir);
	add(&b, "What cannot be rebuilt: an answer is given when what it promises is on the disk.",
		"appendonly yes\nappendfsync always\nsave \"\"");
	add(&b, "store.max_bytes. What is above it is refused.", "maxmemory %lld", (long long)s->store_max_bytes);
	return finish(&b, old);
}

/* Redis takes a password as its SHA-256, so that the file does not tell it. */
static void sha256_hex(const char *s, char ret[static 65])
{
	unsigned char hash[32];

	EVP_Digest(s, strlen(s), hash, NULL, EVP_sha256(), NULL);
	for (size_t i = 0; i < sizeof(hash); i++)
		snprintf(ret + 2 * i, 3, "%02x", hash[i]);
}

char *og_servers_redis_acl(const char *cluster, const struct og_credentials *user, const struct og_credentials *admin)
{
	char user_hash[65], admin_hash[65];

	sha256_hex(user->password, user_hash);
	sha256_hex(admin->password, admin_hash);
	/* Redis takes no comments in this file. Nobody can log in as `default`, but as that user the server replays its own
	 * append-only file, transactions and scripts included: with less than all it would lose them at every restart. */
	return og_printf("user default off resetpass ~* &* +@all\n"
			 "user %s on #%s ~og:%s:* resetchannels -@all +@read +@write -@dangerous -@scripting "
			 "+eval +evalsha +script|load +ping +time\n"
			 "user %s on #%s ~* &* +@all\n",
		user->user, user_hash, cluster, admin->user, admin_hash);
}
