#include "drift.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "desired.h"

TestSuite(drift, .timeout = 60);
TestSuite(password, .timeout = 60);

/* RabbitMQ 3.10.8's own hashes. */
#define HASH_OF_PW1 "B0zf8FMSR4jBgrVWoEviOJuOrIEMehIKzV2N0rZMXvZePe1I"

static json_t *desired;

static void setup(void)
{
	const struct og_topology_limits limits = {.intake_max_jobs = 10, .lane_max_jobs = 20, .dead_max_jobs = 30};
	struct og_catalogue *c = calloc(1, sizeof(*c));
	struct og_topology *t;

	strcpy(c->tiers[0].key, "t");
	c->n = 1;
	t = og_topology_new(c, &limits);
	desired = og_desired_new(t, "c1");
	og_desired_add_user(desired, "c1", OG_ROLE_WORKER, "worker-local", "pw1");
	og_topology_free(t);
	free(c);
}

static void teardown(void)
{
	json_decref(desired);
}

/* What a broker would say that is exactly so. */
static json_t *as_it_should_be(void)
{
	json_t *actual = json_deep_copy(desired), *user = json_array_get(json_object_get(actual, "users"), 0);

	json_object_del(user, "password");
	json_object_set_new(user, "password_hash", json_string(HASH_OF_PW1));
	json_object_set_new(user, "hashing_algorithm", json_string("rabbit_password_hashing_sha256"));
	json_object_set_new(user, "tags", json_array());
	return actual;
}

static json_t *item(json_t *definitions, const char *section, const char *field, const char *value)
{
	json_t *x;
	size_t i;

	json_array_foreach(json_object_get(definitions, section), i, x)
	{
		if (strcmp(json_string_value(json_object_get(x, field)), value) == 0)
			return x;
	}
	cr_assert_fail("no %s in %s", value, section);
	return NULL;
}

static void drop(json_t *definitions, const char *section, const char *field, const char *value)
{
	json_t *array = json_object_get(definitions, section), *x = item(definitions, section, field, value);

	for (size_t i = json_array_size(array); i-- > 0;) {
		if (json_array_get(array, i) == x)
			json_array_remove(array, i);
	}
}

static void append(json_t *definitions, const char *section, json_t *x)
{
	json_array_append_new(json_object_get(definitions, section), x);
}

/* Exactly one drift, of this kind, whose text holds `says`. Frees `actual`. */
static void expect_one(json_t *actual, enum og_drift_kind kind, bool in_place, const char *says)
{
	struct og_drifts d;
	json_t *mending;

	og_drift_find(desired, actual, &d);
	cr_assert_eq(d.n, 1, "%zu drifts, the first: %s", d.n, d.n ? d.items[0].text : "");
	cr_expect_eq(d.items[0].kind, kind);
	cr_expect_eq(d.items[0].in_place, in_place);
	cr_expect_not_null(strstr(d.items[0].text, says), "'%s' does not say '%s'", d.items[0].text, says);
	mending = og_drift_mending(&d);
	cr_expect_eq(mending != NULL, in_place);
	if (in_place)
		cr_expect_eq(json_array_size(json_object_get(mending, d.items[0].section)), 1);
	json_decref(mending);
	og_drifts_done(&d);
	json_decref(actual);
}

Test(drift, is_none_where_all_is_as_it_should_be, .init = setup, .fini = teardown)
{
	json_t *actual = as_it_should_be();
	struct og_drifts d;

	og_drift_find(desired, actual, &d);
	cr_assert_eq(d.n, 0, "%s", d.n ? d.items[0].text : "");
	cr_assert_null(og_drift_mending(&d));
	og_drifts_done(&d);
	json_decref(actual);
}

Test(drift, is_all_of_it_on_an_empty_broker, .init = setup, .fini = teardown)
{
	json_t *actual = json_object(), *mending;
	struct og_drifts d;

	og_drift_find(desired, actual, &d);
	mending = og_drift_mending(&d);
	cr_assert(json_equal(mending, desired), "what is posted is not what is wanted");
	cr_assert_str_eq(d.items[0].section, "vhosts");
	json_decref(mending);
	og_drifts_done(&d);
	json_decref(actual);
}

Test(drift, names_what_is_missing, .init = setup, .fini = teardown)
{
	json_t *actual = as_it_should_be();

	drop(actual, "queues", "name", "og.wait.t.batch.3");
	expect_one(actual, OG_DRIFT_MISSING, true, "queue og.wait.t.batch.3");
	actual = as_it_should_be();
	drop(actual, "bindings", "destination", "og.state");
	expect_one(actual, OG_DRIFT_MISSING, true, "binding og.replies *.done queue og.state");
	actual = as_it_should_be();
	drop(actual, "topic_permissions", "exchange", "og.control");
	expect_one(actual, OG_DRIFT_MISSING, true, "topic permissions of worker-local og.control");
}

Test(drift, says_how_to_mend_a_queue_that_differs, .init = setup, .fini = teardown)
{
	json_t *actual = as_it_should_be(), *args;

	args = json_object_get(item(actual, "queues", "name", "og.jobs.intake"), "arguments");
	json_object_set_new(args, "x-max-length", json_integer(5));
	json_object_del(args, "x-overflow");
	json_object_set_new(args, "x-single-active-consumer", json_true());
	expect_one(actual, OG_DRIFT_DIFFERENT, false,
		"queue og.jobs.intake: x-max-length is 5, should be 10; x-overflow is not set, should be "
		"\"reject-publish\"; x-single-active-consumer is true, should be not set (cannot be changed in place");
}

Test(drift, says_how_to_mend_an_exchange_that_differs, .init = setup, .fini = teardown)
{
	json_t *actual = as_it_should_be();

	json_object_set_new(item(actual, "exchanges", "name", "og.work"), "type", json_string("topic"));
	expect_one(actual, OG_DRIFT_DIFFERENT, false, "exchange og.work: type is \"topic\", should be \"direct\" (");
}

Test(drift, mends_permissions_in_place, .init = setup, .fini = teardown)
{
	json_t *actual = as_it_should_be();

	json_object_set_new(item(actual, "permissions", "user", "worker-local"), "write", json_string(".*"));
	expect_one(actual, OG_DRIFT_DIFFERENT, true, "permissions of worker-local: write is \".*\", should be");
	actual = as_it_should_be();
	json_object_set_new(item(actual, "topic_permissions", "exchange", "og.replies"), "read", json_string("#"));
	expect_one(actual, OG_DRIFT_DIFFERENT, true, "topic permissions of worker-local og.replies: read is");
}

Test(drift, sees_a_changed_password_and_tags, .init = setup, .fini = teardown)
{
	json_t *actual = as_it_should_be(), *user;

	user = item(actual, "users", "name", "worker-local");
	json_object_set_new(user, "password_hash", json_string("UNz+M/RpdskZ5WvTgKXxU/u+kaoHZJ/LTYMn/u0mQNWjQk/E"));
	expect_one(actual, OG_DRIFT_DIFFERENT, true, "password");
	actual = as_it_should_be();
	user = item(actual, "users", "name", "worker-local");
	json_array_append_new(json_object_get(user, "tags"), json_string("administrator"));
	expect_one(actual, OG_DRIFT_DIFFERENT, true, "has tags");
}

Test(drift, reports_what_is_extra_and_never_mends_it, .init = setup, .fini = teardown)
{
	json_t *actual = as_it_should_be();

	append(actual, "queues", json_pack("{s:s, s:s}", "name", "og.tier.old", "vhost", "c1"));
	expect_one(actual, OG_DRIFT_EXTRA, false, "queue og.tier.old");
	actual = as_it_should_be();
	append(actual, "bindings",
		json_pack("{s:s, s:s, s:s, s:s, s:s}", "vhost", "c1", "source", "og.replies", "destination", "spy",
			"destination_type", "queue", "routing_key", "#"));
	expect_one(actual, OG_DRIFT_EXTRA, false, "binding og.replies # queue spy");
	actual = as_it_should_be();
	append(actual, "permissions",
		json_pack("{s:s, s:s, s:s, s:s, s:s}", "vhost", "c1", "user", "mallory", "configure", ".*", "write",
			".*", "read", ".*"));
	expect_one(actual, OG_DRIFT_EXTRA, false, "permissions of mallory");
	actual = as_it_should_be();
	append(actual, "users", json_pack("{s:s}", "name", "guest"));
	expect_one(actual, OG_DRIFT_EXTRA, false, "user guest");
}

Test(drift, leaves_alone_what_is_not_ours, .init = setup, .fini = teardown)
{
	json_t *actual = as_it_should_be();
	struct og_drifts d;

	append(actual, "vhosts", json_pack("{s:s}", "name", "/"));
	append(actual, "queues", json_pack("{s:s, s:s}", "name", "og.tier.old", "vhost", "/"));
	append(actual, "queues", json_pack("{s:s, s:s}", "name", "mail", "vhost", "c1"));
	append(actual, "queues", json_pack("{s:s, s:s}", "name", "og.node.worker-a~x", "vhost", "c1"));
	append(actual, "bindings",
		json_pack("{s:s, s:s, s:s, s:s, s:s}", "vhost", "c1", "source", "og.work", "destination",
			"og.node.worker-a~x", "destination_type", "queue", "routing_key", "node.worker-a~x"));
	append(actual, "users", json_pack("{s:s, s:[s]}", "name", "boss", "tags", "administrator"));
	append(actual, "permissions", json_pack("{s:s, s:s}", "vhost", "c1", "user", "boss"));
	og_drift_find(desired, actual, &d);
	cr_assert_eq(d.n, 0, "%s", d.n ? d.items[0].text : "");
	og_drifts_done(&d);
	json_decref(actual);
}

Test(drift, posts_no_user_whose_password_it_does_not_know, .init = setup, .fini = teardown)
{
	json_t *actual = as_it_should_be(), *mending;
	struct og_drifts d;

	og_desired_add_user(desired, "c1", OG_ROLE_WORKER, "worker-b", NULL);
	og_drift_find(desired, actual, &d);
	mending = og_drift_mending(&d);
	cr_assert_null(json_object_get(mending, "users"));
	cr_assert_eq(json_array_size(json_object_get(mending, "permissions")), 1);
	json_decref(mending);
	og_drifts_done(&d);
	json_decref(actual);
}

Test(password, fits_the_brokers_hash)
{
	json_t *user = json_pack(
		"{s:s, s:s}", "password_hash", HASH_OF_PW1, "hashing_algorithm", "rabbit_password_hashing_sha256");

	cr_assert(og_drift_password_fits(user, "pw1"));
	cr_assert_not(og_drift_password_fits(user, "pw2"));
	cr_assert_not(og_drift_password_fits(user, ""));
	json_decref(user);
}

Test(password, does_not_fit_a_hash_that_is_none)
{
	static const char *const hashes[] = {"", "AAAA", "not base64!!", HASH_OF_PW1 "AAA"};

	for (size_t i = 0; i < sizeof(hashes) / sizeof(hashes[0]); i++) {
		json_t *user = json_pack("{s:s, s:s}", "password_hash", hashes[i], "hashing_algorithm",
			"rabbit_password_hashing_sha256");

		cr_expect_not(og_drift_password_fits(user, "pw1"), "%s", hashes[i]);
		json_decref(user);
	}
}

Test(password, is_taken_on_trust_where_the_hash_is_of_another_kind)
{
	json_t *user = json_pack("{s:s, s:s}", "password_hash", "x", "hashing_algorithm", "argon2");

	cr_assert(og_drift_password_fits(user, "pw1"));
	json_decref(user);
}
