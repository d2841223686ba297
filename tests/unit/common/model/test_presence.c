#include "model/presence.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

TestSuite(presence, .timeout = 60);
TestSuite(membership, .timeout = 60);

#define ID(digit) #digit "0000000-0000-4000-8000-000000000000"

static struct og_presence_run running[] = {
	{ID(3), 1, 0, 1790000000000, 1790000000001, "0123456789abcdef"},
	{ID(4), 2, 3, 1790000000000, 1790000000002, ""},
};

static const struct og_presence worker = {
	.node_id = ID(1),
	.node_name = "NodeA \303\251",
	.worker = "NodeA/Llama-3.2-3B/1",
	.instance = ID(2),
	.serve = true,
	.tier = "Llama-3.2-3B",
	.model = "llama3.2:3b",
	.engine = "ollama",
	.region = "eu",
	.version = "0.1.0",
	.slots = 4,
	.tokens_per_s = 12.5,
	.started_ms = 1790000000000,
	.draining = true,
	.paused = true,
	.node_queue = true,
	.context = 8192,
	.running = running,
	.n_running = OG_COUNT(running),
};

static void expect_same(const struct og_presence *a, const struct og_presence *b)
{
	cr_expect_str_eq(a->node_id, b->node_id);
	cr_expect_str_eq(a->node_name, b->node_name);
	cr_expect_str_eq(a->worker, b->worker);
	cr_expect_str_eq(a->instance, b->instance);
	cr_expect_eq(a->serve, b->serve);
	cr_expect_str_eq(a->tier, b->tier);
	cr_expect_str_eq(a->model, b->model);
	cr_expect_str_eq(a->engine, b->engine);
	cr_expect_str_eq(a->region, b->region);
	cr_expect_str_eq(a->version, b->version);
	cr_expect_eq(a->slots, b->slots);
	cr_expect_eq(a->tokens_per_s, b->tokens_per_s);
	cr_expect_eq(a->started_ms, b->started_ms);
	cr_expect_eq(a->draining, b->draining);
	cr_expect_eq(a->leaving, b->leaving);
	cr_expect_eq(a->paused, b->paused);
	cr_expect_eq(a->node_queue, b->node_queue);
	cr_expect_eq(a->context, b->context);
	cr_assert_eq(a->n_running, b->n_running);
	for (size_t i = 0; i < a->n_running; i++) {
		cr_expect_str_eq(a->running[i].id, b->running[i].id);
		cr_expect_eq(a->running[i].attempt, b->running[i].attempt);
		cr_expect_eq(a->running[i].run, b->running[i].run);
		cr_expect_eq(a->running[i].epoch, b->running[i].epoch);
		cr_expect_eq(a->running[i].started_ms, b->running[i].started_ms);
		cr_expect_str_eq(a->running[i].lease, b->running[i].lease);
	}
}

static void round_trip(const struct og_presence *p)
{
	struct og_presence back;
	struct og_error err = {0};
	og_autofree char *text = og_presence_encode(p);

	cr_assert_eq(og_presence_decode(text, strlen(text), &back, &err), 0, "%s", err.message);
	expect_same(p, &back);
	og_presence_done(&back);
	cr_expect_null(back.running);
}

Test(presence, survives_the_wire)
{
	round_trip(&worker);
}

Test(presence, of_a_peer_that_does_not_serve)
{
	round_trip(&(struct og_presence){.node_id = ID(1), .node_name = "NodeC", .instance = ID(2), .leaving = true});
}

/* The worker's object with one member set to `value` (NULL: taken out), decoded. */
static int decode_with(const char *key, json_t *value, struct og_error *err)
{
	og_autofree char *text = og_presence_encode(&worker), *changed = NULL;
	json_t *root = json_loads(text, 0, NULL);
	struct og_presence back;
	int rc;

	if (value)
		json_object_set_new(root, key, value);
	else
		json_object_del(root, key);
	changed = json_dumps(root, 0);
	json_decref(root);
	rc = og_presence_decode(changed, strlen(changed), &back, err);
	if (!rc)
		og_presence_done(&back);
	return rc;
}

Test(presence, every_member_but_the_list_is_required)
{
	og_autofree char *text = og_presence_encode(&worker);
	json_t *root = json_loads(text, 0, NULL);
	struct og_error err;
	const char *key;
	json_t *value;

	cr_expect_eq(json_object_size(root), 20);
	json_object_foreach(root, key, value)
	{
		og_autofree char *message = og_printf("presence: '%s' is missing", key);

		/* The two that came with version 1.1 of the protocol may be missing, too. */
		if (!strcmp(key, "running") || !strcmp(key, "paused") || !strcmp(key, "node_queue") ||
			!strcmp(key, "context")) {
			cr_expect_eq(decode_with(key, NULL, &err), 0);
			continue;
		}
		cr_expect_eq(decode_with(key, NULL, &err), -1, "accepted without %s", key);
		cr_expect_str_eq(err.message, message);
		cr_expect_eq(err.kind, OG_INVALID);
	}
	json_decref(root);
}

static void refuses(const char *key, json_t *value, const char *message)
{
	struct og_error err = {0};

	cr_expect_eq(decode_with(key, value, &err), -1, "accepted a bad '%s'", key);
	cr_expect_str_eq(err.message, message);
}

Test(presence, an_impossible_value_is_refused_by_name)
{
	refuses("version", json_integer(2), "presence: unknown version 2, not 1");
	refuses("node_id", json_string("00000000_0000_4000_8000_000000000000"), "presence: 'node_id' is not a UUID");
	refuses("instance", json_string("x"), "presence: 'instance' has 1 bytes, not 36 to 36");
	refuses("node_name", json_string(""), "presence: 'node_name' has 0 bytes, not 1 to 127");
	refuses("node_name", json_string("a\x1b[2J"), "presence: 'node_name' holds a control character");
	refuses("engine", json_string("a\x7f"), "presence: 'engine' holds a control character");
	refuses("slots", json_integer(OG_SLOTS_MAX + 1), "presence: 'slots' is 1025, not 0 to 1024");
	refuses("slots", json_integer(-1), "presence: 'slots' is -1, not 0 to 1024");
	refuses("tokens_per_s", json_real(-0.5), "presence: 'tokens_per_s' is -0.5, not 0 to 1000000");
	refuses("serve", json_string("yes"), "presence: 'serve' is not true or false");
	refuses("tier", json_string(""), "presence: it serves, but 'tier' or 'worker' is empty");
	refuses("running", json_object(), "presence: 'running' is not an array");
	refuses("running", json_pack("[i]", 1), "presence: 'running' item 0 is not an object");
	refuses("running", json_pack("[{s:s}]", "id", "x"),
		"presence: 'running' item 0: 'id' has 1 bytes, not 36 to 36");
	refuses("running",
		json_pack("[{s:s,s:i,s:i,s:i,s:i}]", "id", "g0000000-0000-4000-8000-000000000000", "attempt", 1, "run",
			0, "epoch", 0, "started_ms", 0),
		"presence: 'running' item 0: 'id' is not a UUID");
}

static json_t *running_with_lease(const char *lease)
{
	return json_pack("[{s:s,s:i,s:i,s:i,s:i,s:s}]", "id", ID(3), "attempt", 1, "run", 0, "epoch", 0, "started_ms",
		0, "lease", lease);
}

Test(presence, a_run_without_a_lease_says_nothing_of_one)
{
	og_autofree char *text = og_presence_encode(&worker);
	const char *first = strstr(text, "\"lease\":\"0123456789abcdef\"");

	cr_assert_not_null(first, "%s", text);
	cr_expect_null(strstr(first + strlen("\"lease"), "lease"), "%s", text);
}

Test(presence, a_lease_that_would_be_refused_does_not_cost_the_heartbeat)
{
	struct og_presence_run odd[] = {{.id = ID(3), .lease = "AAAAAAAAAAAAAAAA"}, {.id = ID(4), .lease = "aaaa"}};
	struct og_presence p = worker, back;
	struct og_error err = {0};
	og_autofree char *text = NULL;

	p.running = odd;
	text = og_presence_encode(&p);
	cr_assert_eq(og_presence_decode(text, strlen(text), &back, &err), 0, "%s", err.message);
	cr_expect_str_eq(back.running[0].lease, "");
	cr_expect_str_eq(back.running[1].lease, "");
	og_presence_done(&back);
}

Test(presence, a_lease_that_is_none_is_refused)
{
	static const char *const bad[] = {
		"0123456789ABCDEF", "0123456789abcdeg", "0x23456789abcdef", " 123456789abcdef"};
	struct og_error err;

	cr_expect_eq(decode_with("running", running_with_lease("fedcba9876543210"), &err), 0);
	refuses("running", running_with_lease(""), "presence: 'running' item 0: 'lease' has 0 bytes, not 16 to 16");
	refuses("running", running_with_lease("0123456789abcdef0"),
		"presence: 'running' item 0: 'lease' has 17 bytes, not 16 to 16");
	for (size_t i = 0; i < OG_COUNT(bad); i++)
		refuses("running", running_with_lease(bad[i]),
			"presence: 'running' item 0: 'lease' is not of lower-case hex digits");
}

Test(presence, more_running_than_slots_can_be_is_refused)
{
	json_t *list = json_array();

	for (int i = 0; i <= OG_SLOTS_MAX; i++)
		json_array_append_new(list, json_object());
	refuses("running", list, "presence: 'running' has 1025 items, more than 1024");
}

Test(presence, every_truncation_is_refused)
{
	og_autofree char *text = og_presence_encode(&worker);
	struct og_presence back;
	struct og_error err;

	for (size_t len = 0; len < strlen(text); len++)
		cr_expect_eq(og_presence_decode(text, len, &back, &err), -1, "%.*s", (int)len, text);
}

Test(membership, survives_the_wire)
{
	const struct og_member members[] = {{ID(1), "NodeA", true}, {ID(2), "NodeB", false}};
	og_autofree char *text = og_membership_encode(members, 2, 2);
	og_autofree struct og_member *back = NULL;
	struct og_error err = {0};
	size_t n, count;

	cr_expect_str_eq(text, "{\"version\":1,\"count\":2,\"members\":[{\"id\":\"" ID(
				       1) "\",\"name\":\"NodeA\",\"serve\":true},"
					  "{\"id\":\"" ID(2) "\",\"name\":\"NodeB\",\"serve\":false}]}");
	cr_assert_eq(og_membership_decode(text, strlen(text), &back, &n, &count, &err), 0, "%s", err.message);
	cr_assert_eq(n, 2);
	cr_expect_eq(count, 2);
	cr_expect_str_eq(back[1].id, ID(2));
	cr_expect_str_eq(back[0].name, "NodeA");
	cr_expect(back[0].serve && !back[1].serve);
}

Test(membership, a_long_list_is_cut_and_the_count_is_not)
{
	enum { MANY = 5000 };
	og_autofree struct og_member *members = og_alloc(MANY * sizeof(*members)), *back = NULL;
	og_autofree char *text = NULL;
	struct og_error err = {0};
	size_t n, count;

	for (int i = 0; i < MANY; i++) {
		strcpy(members[i].id, ID(1));
		snprintf(members[i].name, sizeof(members[i].name), "Node%d", i);
	}
	text = og_membership_encode(members, MANY, MANY);
	cr_assert_eq(og_membership_decode(text, strlen(text), &back, &n, &count, &err), 0, "%s", err.message);
	cr_expect_eq(n, OG_MEMBERS_TOLD);
	cr_expect_eq(count, MANY);
	cr_expect_str_eq(back[OG_MEMBERS_TOLD - 1].name, "Node199");
}

Test(membership, of_nobody)
{
	og_autofree char *text = og_membership_encode(NULL, 0, 0);
	og_autofree struct og_member *back = NULL;
	struct og_error err = {0};
	size_t n, count;

	cr_assert_eq(og_membership_decode(text, strlen(text), &back, &n, &count, &err), 0, "%s", err.message);
	cr_expect_eq(n, 0);
}

Test(membership, garbage_is_refused)
{
	static const char *const bad[] = {"", "{}", "{\"version\":1}", "{\"version\":2,\"count\":0,\"members\":[]}",
		"{\"version\":1,\"count\":-1,\"members\":[]}", "{\"version\":1,\"count\":1,\"members\":[{}]}",
		"{\"version\":1,\"count\":1,\"members\":{}}"};
	struct og_member *back = NULL;
	struct og_error err;
	size_t n, count;

	for (size_t i = 0; i < OG_COUNT(bad); i++) {
		cr_expect_eq(og_membership_decode(bad[i], strlen(bad[i]), &back, &n, &count, &err), -1, "%s", bad[i]);
		cr_expect(!strncmp(err.message, "membership: ", 12), "%s", err.message);
	}
	cr_expect_null(back);
}
