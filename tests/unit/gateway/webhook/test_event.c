#include "webhook/event.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

TestSuite(event, .timeout = 30);

static const char *type_of(const char *of, const char *state, const char *response)
{
	json_t *r = response ? json_loads(response, 0, NULL) : NULL;
	const char *type = og_event_of_job(of, state, r);

	json_decref(r);
	return type;
}

#define CHOICE(finish) "{\"choices\": [{\"finish_reason\": \"" finish "\", \"message\": {\"content\": \"x\"}}]}"

Test(event, of_a_response)
{
	cr_expect_str_eq(type_of("response", "done", CHOICE("stop")), "response.completed");
	cr_expect_str_eq(type_of("response", "done", CHOICE("length")), "response.incomplete");
	cr_expect_str_eq(type_of("response", "done", NULL), "response.completed");
	cr_expect_str_eq(type_of("response", "cancelled", NULL), "response.cancelled");
	cr_expect_str_eq(type_of("response", "failed", NULL), "response.failed");
	cr_expect_str_eq(type_of("response", "expired", NULL), "response.failed");
	cr_expect_str_eq(type_of("response", "dead", NULL), "response.failed");
}

Test(event, of_a_job)
{
	cr_expect_str_eq(type_of("job", "done", CHOICE("length")), "job.done");
	cr_expect_str_eq(type_of("job", "cancelled", NULL), "job.cancelled");
	cr_expect_str_eq(type_of("job", "expired", NULL), "job.expired");
	cr_expect_str_eq(type_of("job", "failed", NULL), "job.failed");
	cr_expect_str_eq(type_of("job", "no_capacity", NULL), "job.failed");
}

Test(event, of_a_batch)
{
	cr_expect_str_eq(og_event_of_batch("completed"), "batch.completed");
	cr_expect_str_eq(og_event_of_batch("expired"), "batch.expired");
	cr_expect_null(og_event_of_batch("validating"));
	cr_expect_null(og_event_of_batch("in_progress"));
	cr_expect_null(og_event_of_batch("cancelling"));
	cr_expect_null(og_event_of_batch(""));
}

Test(event, types)
{
	for (size_t i = 0; og_event_types[i]; i++)
		cr_expect(og_event_is_type(og_event_types[i]));
	cr_expect_not(og_event_is_type(""));
	cr_expect_not(og_event_is_type("response"));
	cr_expect_not(og_event_is_type("response."));
	cr_expect_not(og_event_is_type("response.done"));
	cr_expect_not(og_event_is_type("job.done.x"));
}

Test(event, is_the_same_whoever_makes_it)
{
	json_t *one = og_event_new("job.done", "a-job", 1700000000),
	       *two = og_event_new("job.done", "a-job", 1700000001);
	json_t *other = og_event_new("job.failed", "a-job", 1700000000);
	const char *id = json_string_value(json_object_get(one, "id"));
	char *text = json_dumps(one, JSON_COMPACT);
	char want[256];

	snprintf(want, sizeof(want),
		"{\"object\":\"event\",\"id\":\"%s\",\"type\":\"job.done\",\"created_at\":1700000000,\"data\":{\"id\":"
		"\"a-job\"}}",
		id);
	cr_expect_str_eq(text, want);
	cr_expect_eq(strncmp(id, "evt_", 4), 0);
	cr_expect_eq(strspn(id + 4, "0123456789abcdef"), 32);
	cr_expect_str_eq(id, json_string_value(json_object_get(two, "id")));
	cr_expect_str_neq(id, json_string_value(json_object_get(other, "id")));
	free(text);
	json_decref(one);
	json_decref(two);
	json_decref(other);
}
