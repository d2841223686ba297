#include "store/records.h"

#include "rig.h"

static const struct og_record_kind kind = {.name = "thing", .keep_ms = 1000, .bytes_max = 5000, .oldest_go = true};
static const struct og_record_kind kept = {.name = "stay", .bytes_max = 7, .most = 3};
static struct og_redis_reply reply;
static bool failing;

/* What the callbacks were told: how often, and of the last time the rest. */
static struct {
	int calls;
	bool yes, more, has_error;
	enum og_kind error;
	size_t n;
	char words[200];
} told;

static int answer(int argc, const char *const *argv, struct og_redis_reply *ret, struct og_error *err)
{
	(void)argc, (void)argv;
	if (failing)
		return og_fail(err, OG_RETRY, "the connection was lost");
	*ret = reply;
	return 0;
}

static void setup(void)
{
	rig.answer = answer;
	rig_open();
}

TestSuite(records, .init = setup, .fini = rig_close, .timeout = 60);

static void tell(const struct og_error *err)
{
	told.calls++;
	told.has_error = err != NULL;
	if (err)
		told.error = err->kind;
}

static void on_said(void *ctx, bool yes, const struct og_error *err)
{
	(void)ctx;
	tell(err);
	told.yes = yes;
}

static void on_one(void *ctx, json_t *record, const struct og_error *err)
{
	(void)ctx;
	tell(err);
	cr_assert_eq(record == NULL, err != NULL);
	snprintf(told.words, sizeof(told.words), "%s", json_string_value(json_object_get(record, "say")));
}

static void on_many(void *ctx, json_t *const *records, size_t n, bool more, const struct og_error *err)
{
	(void)ctx;
	tell(err);
	told.n = n;
	told.more = more;
	*told.words = '\0';
	for (size_t i = 0; i < n; i++)
		strncat(told.words, json_string_value(json_object_get(records[i], "say")),
			sizeof(told.words) - strlen(told.words) - 1);
}

static struct og_redis_reply text(const char *s)
{
	return (struct og_redis_reply){.type = OG_REPLY_STRING, .str = s, .len = strlen(s)};
}

static struct og_redis_reply number(int64_t n)
{
	return (struct og_redis_reply){.type = OG_REPLY_INT, .integer = n};
}

static void on_known(void *ctx, const bool *known, size_t n, bool any, const struct og_error *err)
{
	(void)ctx;
	tell(err);
	cr_assert_eq(known == NULL, err != NULL);
	told.n = n;
	told.yes = any;
	for (size_t i = 0; i < n; i++)
		told.words[i] = known[i] ? 'k' : '-';
	told.words[n] = '\0';
}

/* One of each question, in the header's order; how many of them were refused at once, and of which kind the last was. */
static int ask_all(struct og_gateway_store *s, struct og_error *err)
{
	json_t *record = json_pack("{s:s}", "say", "hello");
	const struct og_record_put put = {.id = "a", .tenant = "acme", .record = record, .due_in_ms = -1};
	const struct og_record_page page = {.tenant = "acme", .limit = 3};
	int refused = 0;

	refused += og_record_put(s, &kind, &put, on_said, NULL, err) < 0;
	refused += og_record_get(s, &kind, "acme", "a", on_one, NULL, err) < 0;
	refused += og_record_remove(s, &kind, NULL, "a", on_said, NULL, err) < 0;
	refused += og_record_drop(s, &kind, "a", "me", on_said, NULL, err) < 0;
	refused += og_records_list(s, &kind, &page, on_many, NULL, err) < 0;
	refused += og_records_claim(s, &kind, "me", 500, 9, on_many, NULL, err) < 0;
	refused += og_record_hold(s, &kind, "a", "me", 500, on_said, NULL, err) < 0;
	refused += og_records_known(s, &kind, (const char *const[]){"a", "b"}, 2, on_known, NULL, err) < 0;
	json_decref(record);
	return refused;
}

static void expect(const char *want)
{
	og_autofree char *asked = rig_asked();

	cr_assert_str_eq(asked, want);
}

Test(records, each_question_as_its_script_reads_it)
{
	reply = number(1);
	cr_assert_eq(ask_all(rig.store, NULL), 0);
	rig_turn(1);
	cr_expect_eq(told.calls, 8);
	expect("record_put thing a acme {\"say\":\"hello\"} 1000 5000 1   -1  0   0  ;"
	       "record_get thing a acme;"
	       "record_remove thing a   ;"
	       "record_remove thing a  me ;"
	       "records_list thing acme  3 ;"
	       "records_claim thing me 500 9;"
	       "record_hold thing a me 500;"
	       "records_known thing a b;");
}

Test(records, the_terms_of_a_put_and_of_a_page)
{
	json_t *record = json_object(), *was = json_pack("{s:i}", "x", 1);
	struct og_record_put put = {.id = "a",
		.tenant = "acme",
		.record = record,
		.bytes = 99,
		.fresh = true,
		.owner = "me",
		.due_in_ms = 20,
		.held_by = "you"};
	const struct og_record_page page = {.tenant = "acme", .after = "b", .limit = 3, .oldest_first = true};

	reply = number(1);
	cr_assert_eq(og_record_put(rig.store, &kept, &put, NULL, NULL, NULL), 0);
	put.fresh = false;
	put.there = true;
	put.beside = &kind;
	put.held_if_new = true;
	put.from = &kept;
	put.was = was;
	cr_assert_eq(og_record_put(rig.store, &kept, &put, NULL, NULL, NULL), 0);
	put = (struct og_record_put){
		.id = "b", .tenant = "acme", .record = record, .in_any_case = true, .due_in_ms = -1};
	cr_assert_eq(og_record_put(rig.store, &kept, &put, NULL, NULL, NULL), 0);
	cr_assert_eq(og_records_list(rig.store, &kept, &page, on_many, NULL, NULL), 0);
	rig_turn(1);
	expect("record_put stay a acme {} 0 7  fresh me 20 you 99   3  ;"
	       "record_put stay a acme {} 0 7  there me 20 you 99 thing 1 3 stay {\"x\":1};"
	       "record_put stay b acme {} 0 9223372036854775807    -1  0   3  ;"
	       "records_list stay acme b 3 1;");
	json_decref(was);
	json_decref(record);
}

Test(records, a_gateway_without_a_store_refuses_each)
{
	struct og_error err = {0};

	cr_assert_eq(ask_all(NULL, &err), 8);
	cr_expect_eq(err.kind, OG_RETRY);
	cr_expect_not_null(strstr(err.message, "no store"), "%s", err.message);
	cr_expect_eq(told.calls, 0);
}

Test(records, a_store_that_fails_is_told_to_each_once)
{
	failing = true;
	cr_assert_eq(ask_all(rig.store, NULL), 0);
	rig_turn(1);
	cr_expect_eq(told.calls, 8);
	cr_expect(told.has_error);
	cr_expect_eq(told.error, OG_RETRY);
	cr_expect_not(told.yes);
}

Test(records, one_that_is_too_large_is_not_sent)
{
	og_autofree char *long_text = og_alloc(OG_RECORD_MAX + 1);
	struct og_record_put put = {.id = "a", .tenant = "acme", .due_in_ms = -1};
	struct og_error err = {0};
	json_t *record;

	memset(long_text, 'x', OG_RECORD_MAX);
	long_text[OG_RECORD_MAX] = '\0';
	record = json_pack("{s:s}", "say", long_text);
	put.record = record;
	cr_assert_eq(og_record_put(rig.store, &kind, &put, on_said, NULL, &err), -1);
	cr_expect_eq(err.kind, OG_INVALID);
	rig_turn(1);
	cr_expect_eq(told.calls, 0);
	expect("");
	json_decref(record);
}

static void put_is(int64_t said)
{
	json_t *record = json_object();
	const struct og_record_put put = {.id = "a", .tenant = "acme", .record = record, .due_in_ms = -1};

	reply = number(said);
	cr_assert_eq(og_record_put(rig.store, &kind, &put, on_said, NULL, NULL), 0);
	rig_turn(1);
	json_decref(record);
}

Test(records, taken_not_taken_and_full)
{
	put_is(1);
	cr_expect(told.yes);
	cr_expect_not(told.has_error);
	put_is(0);
	cr_expect_not(told.yes);
	cr_expect_not(told.has_error, "another one holds it: no error");
	put_is(-1);
	cr_expect_not(told.yes);
	cr_expect(told.has_error);
	cr_expect_eq(told.error, OG_BUSY);
	put_is(-2);
	cr_expect(told.yes, "its tenant has as many as it may have");
	cr_expect_eq(told.error, OG_BUSY);
}

static void get_is(struct og_redis_reply it)
{
	reply = it;
	cr_assert_eq(og_record_get(rig.store, &kind, "acme", "a", on_one, NULL, NULL), 0);
	rig_turn(1);
}

Test(records, one_that_is_there_is_gone_or_is_broken)
{
	get_is(text("{\"say\":\"hello\"}"));
	cr_expect_not(told.has_error);
	cr_expect_str_eq(told.words, "hello");
	get_is((struct og_redis_reply){.type = OG_REPLY_NIL});
	cr_expect(told.has_error);
	cr_expect_eq(told.error, OG_INVALID);
	get_is(text("{\"say\":"));
	cr_expect(told.has_error);
	cr_expect_eq(told.calls, 3);
}

Test(records, a_list_says_whether_it_goes_on_and_leaves_out_what_is_gone)
{
	struct og_redis_reply items[] = {number(1), text("{\"say\":\"x\"}"), text(""), text("{\"say\":\"y\"}")};
	const struct og_redis_reply *list[] = {&items[0], &items[1], &items[2], &items[3]};

	reply = (struct og_redis_reply){.type = OG_REPLY_ARRAY, .items = list, .n = OG_COUNT(list)};
	cr_assert_eq(og_records_claim(rig.store, &kind, "me", 500, 9, on_many, NULL, NULL), 0);
	rig_turn(1);
	cr_expect_eq(told.n, 2);
	cr_expect(told.more);
	cr_expect_str_eq(told.words, "xy");
	items[0] = number(0);
	reply.n = 1;
	cr_assert_eq(og_records_claim(rig.store, &kind, "me", 500, 9, on_many, NULL, NULL), 0);
	rig_turn(1);
	cr_expect_eq(told.n, 0);
	cr_expect_not(told.more);
}

static void known_is(const int64_t *said, size_t n)
{
	struct og_redis_reply items[4];
	const struct og_redis_reply *of[4];

	for (size_t i = 0; i < n; i++) {
		items[i] = number(said[i]);
		of[i] = &items[i];
	}
	reply = (struct og_redis_reply){.type = OG_REPLY_ARRAY, .items = of, .n = n};
	cr_assert_eq(og_records_known(rig.store, &kind, (const char *const[]){"a", "b"}, 2, on_known, NULL, NULL), 0);
	rig_turn(1);
}

Test(records, which_there_are)
{
	known_is((const int64_t[]){7, 0, 1}, 3);
	cr_expect(told.yes);
	cr_expect_str_eq(told.words, "-k");
	known_is((const int64_t[]){0, 0, 0}, 3);
	cr_expect_not(told.yes, "there are none at all");
	cr_expect_str_eq(told.words, "--");
}
