#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "leaks.h"
#include "model/message.h"

TestSuite(message, .timeout = 60);

Test(message, a_copy_owns_all_it_points_to_in_one_block)
{
	og_autofree char *body = og_memdup("a\0body", 6);
	og_autofree char *type = og_strdup("inference_request");
	og_autofree char *text = og_strdup("SmolLM2-135M");
	struct og_message m = {.exchange = "og.jobs",
		.routing_key = "job",
		.type = type,
		.message_id = "id",
		.correlation_id = "id",
		.reply_to = "cli~00",
		.user_id = "cli",
		.content_type = "application/json",
		.timestamp_s = 12,
		.persistent = true,
		.redelivered = true,
		.delivery_tag = 34,
		.headers = {{"og-tier", text, 0}, {"og-attempt", NULL, 2}},
		.n_headers = 2,
		.body = body,
		.body_len = 6};
	struct og_message *copy = og_message_copy(&m);

	memset(body, 'x', 6);
	memset(type, 'x', 4);
	memset(text, 'x', 4);
	cr_expect_str_eq(copy->exchange, "og.jobs");
	cr_expect_str_eq(copy->routing_key, "job");
	cr_expect_str_eq(copy->type, "inference_request");
	cr_expect_str_eq(copy->message_id, "id");
	cr_expect_str_eq(copy->correlation_id, "id");
	cr_expect_str_eq(copy->reply_to, "cli~00");
	cr_expect_str_eq(copy->user_id, "cli");
	cr_expect_str_eq(copy->content_type, "application/json");
	cr_expect_eq(copy->timestamp_s, 12);
	cr_expect(copy->persistent);
	cr_expect(copy->redelivered);
	cr_expect_eq(copy->delivery_tag, 34);
	cr_expect_eq(copy->n_headers, 2);
	cr_expect_str_eq(copy->headers[0].name, "og-tier");
	cr_expect_str_eq(copy->headers[0].text, "SmolLM2-135M");
	cr_expect_null(copy->headers[1].text);
	cr_expect_eq(copy->headers[1].number, 2);
	cr_expect_eq(copy->body_len, 6);
	cr_expect_eq(memcmp(copy->body, "a\0body", 6), 0);
	free(copy);
}

Test(message, a_copy_of_nothing_is_nothing)
{
	struct og_message m = {0}, *copy = og_message_copy(&m);

	cr_expect_null(copy->exchange);
	cr_expect_null(copy->content_type);
	cr_expect_null(copy->body);
	cr_expect_eq(copy->n_headers, 0);
	free(copy);
}

Test(message, a_copy_of_the_fullest)
{
	og_autofree char *body = og_alloc(OG_BODY_MAX);
	struct og_message m = {.n_headers = OG_MESSAGE_HEADERS_MAX, .body = body, .body_len = OG_BODY_MAX}, *copy;

	for (size_t i = 0; i < m.n_headers; i++)
		m.headers[i] = (struct og_header){.name = "name", .text = ""};
	memset(body, 'b', OG_BODY_MAX);
	copy = og_message_copy(&m);
	cr_expect_str_eq(copy->headers[OG_MESSAGE_HEADERS_MAX - 1].name, "name");
	cr_expect_str_eq(copy->headers[OG_MESSAGE_HEADERS_MAX - 1].text, "");
	cr_expect_eq(memcmp(copy->body, body, OG_BODY_MAX), 0);
	free(copy);
}

Test(message, headers_are_found_by_name)
{
	struct og_message m = {.headers = {{"a", "1", 0}, {"b", NULL, 2}}, .n_headers = 2};

	cr_expect_eq(og_message_header(&m, "b"), &m.headers[1]);
	cr_expect_null(og_message_header(&m, "c"));
	cr_expect_null(og_message_header(&(struct og_message){0}, "a"));
}

Test(message, headers_are_read_as_what_they_are)
{
	const struct og_message m = {.headers = {{"text", "t", 0}, {"number", NULL, 7}}, .n_headers = 2};

	cr_expect_str_eq(og_message_text(&m, "text"), "t");
	cr_expect_null(og_message_text(&m, "number"));
	cr_expect_null(og_message_text(&m, "none"));
	cr_expect_eq(og_message_number(&m, "number"), 7);
	cr_expect_eq(og_message_number(&m, "text"), 0);
	cr_expect_eq(og_message_number(&m, "none"), 0);
}
