/* Drives one gateway's store for store_rig.py: commands are JSON objects, one a line on stdin; what happens is told as JSON objects,
 * one a line.
 *
 *   store_driver ADDRESS USER PASSWORD CLUSTER LEASE_MS
 *
 *   {"do":"key","secret":S}         {"event":"key","id":…,"limited":…,…} or {"event":"key","error":kind,"message":…}
 *   {"do":"reserve","job":J,"tokens":N}   with the key that was looked up last:
 *                                   {"event":"reserved","job":…,"refused":…,"of_tenant":…,"limit":…,"retry_after_s":…,"words":…}
 *   {"do":"settle","job":J,"model":M,"prompt":N,"completion":N[,"replayed":true][,"left":true][,"key":…,"tenant":…]}, {"do":"refund","job":J}
 *   {"do":"admin","verb":V,"request":{…}}   {"event":"admin","answer":…} or the error
 *   {"do":"first","path":P}         {"event":"first","secret":…}
 *   {"do":"clock","ms":N}           from now on that is the time of the store's scripts
 *   {"do":"idle"}                   {"event":"idle","idle":…,"lost":…}
 *   {"do":"ping"}                   {"event":"ping"} or with "error"
 *   {"do":"close"}                  {"event":"closed"}
 *
 * Unasked: {"event":"up"}, {"event":"down","error":…}, {"event":"orphans","orphans":[{"job","key","tenant","tokens"}]}. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "driver.h"
#include "store/keys.h"
#include "store/ledger.h"

static struct og_gateway_store *store;
static struct og_key *key;
static int64_t fake_ms;

static void event_error(const char *name, const struct og_error *err)
{
	event(json_pack("{ss ss ss}", "event", name, "error", og_kind_name(err->kind), "message", err->message));
}

static void show_key(struct og_key *k)
{
	og_key_drop(key);
	key = og_key_hold(k);
	event(json_pack("{ss ss ss ss sb sb sI}", "event", "key", "id", k->id, "name", k->name, "tenant", k->tenant,
		"admin", k->admin, "limited", og_key_is_limited(k), "weight", (json_int_t)k->weight));
}

static void on_key(void *ctx, struct og_key *k, const struct og_error *err)
{
	(void)ctx;
	if (err)
		event_error("key", err);
	else
		show_key(k);
}

static void look_up(const char *secret)
{
	struct og_key *found;
	struct og_error err = {0};
	int rc = og_keys_lookup(store, secret, strlen(secret), on_key, NULL, &found, &err);

	if (rc > 0) {
		show_key(found);
		og_key_drop(found);
	} else if (rc < 0) {
		event_error("key", &err);
	}
}

static void on_reserved(void *ctx, const struct og_reserved *answer, const struct og_error *err)
{
	og_autofree char *job = ctx, *words = NULL;

	if (err) {
		event(json_pack("{ss ss ss ss}", "event", "reserved", "job", job, "error", og_kind_name(err->kind),
			"message", err->message));
		return;
	}
	words = og_reserved_words(answer);
	event(json_pack("{ss ss ss sb sI sI ss}", "event", "reserved", "job", job, "refused",
		og_limit_name(answer->refused), "of_tenant", answer->of_tenant, "limit", (json_int_t)answer->limit,
		"retry_after_s", (json_int_t)answer->retry_after_s, "words", words));
}

static void reserve(const char *job, int64_t tokens)
{
	char *copy = og_strdup(job);
	struct og_error err = {0};

	if (og_ledger_reserve(store, job, key, tokens, on_reserved, copy, &err) != 0)
		on_reserved(copy, NULL, &err);
}

static const char *text(const json_t *command, const char *name)
{
	const char *value = json_string_value(json_object_get(command, name));

	return value ? value : "";
}

static int64_t number(const json_t *command, const char *name)
{
	return json_integer_value(json_object_get(command, name));
}

static void settle(const json_t *c)
{
	const struct og_settlement s = {
		.job = text(c, "job"),
		.key = json_object_get(c, "key") ? text(c, "key") : key->id,
		.tenant = json_object_get(c, "tenant") ? text(c, "tenant") : key->tenant,
		.model = text(c, "model"),
		.prompt_tokens = number(c, "prompt"),
		.completion_tokens = number(c, "completion"),
		.replayed = json_is_true(json_object_get(c, "replayed")),
		.left = json_is_true(json_object_get(c, "left")),
	};

	og_ledger_settle(store, &s);
}

static void on_admin(void *ctx, json_t *answer, const struct og_error *err)
{
	(void)ctx;
	if (err)
		event_error("admin", err);
	else
		event(json_pack("{ss sO}", "event", "admin", "answer", answer));
}

static void on_first(void *ctx, const char *secret, const struct og_error *err)
{
	(void)ctx;
	if (err)
		event_error("first", err);
	else
		event(json_pack("{ss ss?}", "event", "first", "secret", secret));
}

static void on_ping(void *ctx, const struct og_error *err)
{
	(void)ctx;
	if (err)
		event_error("ping", err);
	else
		event(json_pack("{ss}", "event", "ping"));
}

static void on_closed(void *ctx)
{
	(void)ctx;
	og_key_drop(key);
	event(json_pack("{ss}", "event", "closed"));
	driver_end();
}

static void on_command(char *words, size_t len)
{
	json_t *c = json_loadb(words, len, 0, NULL);
	const char *what = text(c, "do");
	struct og_error err = {0};

	if (!strcmp(what, "key"))
		look_up(text(c, "secret"));
	else if (!strcmp(what, "reserve"))
		reserve(text(c, "job"), number(c, "tokens"));
	else if (!strcmp(what, "settle"))
		settle(c);
	else if (!strcmp(what, "refund"))
		og_ledger_refund(store, text(c, "job"));
	else if (!strcmp(what, "admin") &&
		 og_store_admin(store, text(c, "verb"), json_object_get(c, "request"), on_admin, NULL, &err) != 0)
		event_error("admin", &err);
	else if (!strcmp(what, "first"))
		og_keys_first(store, text(c, "path"), on_first, NULL);
	else if (!strcmp(what, "clock"))
		fake_ms = number(c, "ms");
	else if (!strcmp(what, "idle"))
		event(json_pack("{ss sb sI}", "event", "idle", "idle", og_ledger_is_idle(store), "lost",
			(json_int_t)og_ledger_lost(store)));
	else if (!strcmp(what, "ping") && og_store_ping(store, on_ping, NULL, &err) != 0)
		event_error("ping", &err);
	else if (!strcmp(what, "close"))
		og_store_close(store, on_closed, NULL);
	json_decref(c);
}

static void on_up(void *ctx)
{
	(void)ctx;
	event(json_pack("{ss}", "event", "up"));
}

static void on_down(void *ctx, const struct og_error *why)
{
	(void)ctx;
	event_error("down", why);
}

static void on_orphans(void *ctx, const struct og_orphan *orphans, size_t n)
{
	json_t *list = json_array();

	(void)ctx;
	for (size_t i = 0; i < n; i++)
		json_array_append_new(
			list, json_pack("{ss ss ss sI}", "job", orphans[i].job, "key", orphans[i].key, "tenant",
				      orphans[i].tenant, "tokens", (json_int_t)orphans[i].tokens));
	event(json_pack("{ss so}", "event", "orphans", "orphans", list));
}

static int64_t fake_clock(void *ctx)
{
	(void)ctx;
	return fake_ms ? fake_ms : og_clock_wall_ms();
}

static struct og_redis *dial(void *ctx, const struct og_redis_events *events, struct og_error *err)
{
	char **argv = ctx;
	const struct og_redis_config config = {argv[1], argv[2], argv[3], 1000, 8192};

	return og_redis_open(&driver.loop, &config, events, err);
}

int main(int argc, char **argv)
{
	struct og_store_config config = {.dial = dial,
		.dial_ctx = argv,
		.on_up = on_up,
		.on_down = on_down,
		.on_orphans = on_orphans,
		.clock = fake_clock};
	struct og_error err = {0};

	if (argc != 6) {
		fputs("usage: store_driver ADDRESS USER PASSWORD CLUSTER LEASE_MS\n", stderr);
		return 2;
	}
	config.cluster = argv[4];
	config.lease_ms = atoi(argv[5]);
	driver_begin(on_command, NULL);
	store = og_store_open(&driver.loop, &config, &err);
	if (!store) {
		fprintf(stderr, "store_driver: %s\n", err.message);
		return 1;
	}
	return driver_run();
}
