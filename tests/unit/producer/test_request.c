#include "request.h"

#include "leaks.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "model/message.h"
#include "model/names.h"

TestSuite(request, .timeout = 60);

#define W(word) ((char[]){word}) /* as in argv: not const */

static const struct og_request bare = {.temperature = NAN, .seed = OG_SEED_UNSET};

static char *body_of(const struct og_request *r, const char *text)
{
	struct og_error err = {0};
	char *body = NULL;
	size_t len;

	cr_assert_eq(og_request_body(r, text, strlen(text), &body, &len, &err), 0, "%s", err.message);
	cr_assert_eq(len, strlen(body));
	return body;
}

Test(request, only_what_was_said_is_in_the_body)
{
	char *body = body_of(&bare, "What is 2+2?");

	cr_assert_str_eq(body, "{\"messages\":[{\"role\":\"user\",\"content\":\"What is 2+2?\"}]}");
	free(body);
}

Test(request, everything_that_can_be_said)
{
	struct og_request r = bare;
	char *body;

	r.system = "Be brief.";
	r.max_tokens = 16;
	r.temperature = 0.7;
	r.seed = 0;
	r.stop.items[r.stop.n++] = "\n\n";
	body = body_of(&r, "\"quoted\" 你好\n");
	cr_assert_str_eq(body, "{\"messages\":[{\"role\":\"system\",\"content\":\"Be brief.\"},"
			       "{\"role\":\"user\",\"content\":\"\\\"quoted\\\" 你好\\n\"}],"
			       "\"max_tokens\":16,\"temperature\":0.7,\"seed\":0,\"stop\":[\"\\n\\n\"]}");
	free(body);
}

Test(request, texts_beside_the_prompt_are_checked)
{
	struct og_request r = bare;
	struct og_error err;
	char *body;
	size_t len;

	r.system = "\xff";
	cr_assert_eq(og_request_body(&r, "x", 1, &body, &len, &err), -1);
	cr_assert(strstr(err.message, "--system is not valid UTF-8 at byte 0"), "%s", err.message);
	r.system = NULL;
	r.stop.items[r.stop.n++] = "ok\xc3";
	cr_assert_eq(og_request_body(&r, "x", 1, &body, &len, &err), -1);
	cr_assert(strstr(err.message, "--stop is not valid UTF-8 at byte 2"), "%s", err.message);
}

Test(request, a_body_that_grew_above_the_cap)
{
	size_t size = OG_BODY_MAX - 10, len;
	char *text = malloc(size), *body;
	struct og_error err;

	memset(text, '"', size); /* each takes two bytes in JSON */
	cr_assert_eq(og_request_body(&bare, text, size, &body, &len, &err), -1);
	cr_assert(strstr(err.message, "8 MiB"), "%s", err.message);
	free(text);
}

Test(request, the_envelope)
{
	struct og_request r = bare;
	struct og_envelope e;
	struct og_error err;

	r.stream = true;
	cr_assert_eq(og_request_envelope(&r, "id", 5000, &e, &err), 0);
	cr_assert_str_eq(e.type, OG_T_REQUEST);
	cr_assert_str_eq(e.id, "id");
	cr_assert_eq(e.timestamp_s, 5);
	cr_assert_eq(e.deadline_ms, 0);
	cr_assert(e.stream && e.progress && !e.explicit_id && !e.detach);
	r.id = "id";
	r.detach = true;
	r.deadline_in_ms = 250;
	r.class_name = "batch";
	cr_assert_eq(og_request_envelope(&r, "id", 5000, &e, &err), 0);
	cr_assert_eq(e.deadline_ms, 5250);
	cr_assert(!e.stream && !e.progress && e.explicit_id && e.detach);
	r.class_name = "urgent";
	cr_assert_eq(og_request_envelope(&r, "id", 5000, &e, &err), -1);
	cr_assert(strstr(err.message, "--class"), "%s", err.message);
}

static const char *refusal(char *const *words, int n, const char *file)
{
	static struct og_error err;
	char *text;
	size_t len;

	err.message[0] = '\0';
	return og_prompt_read(words, n, file, &text, &len, &err) < 0 ? err.message : "accepted";
}

Test(request, words_are_joined)
{
	char *words[] = {W("What"), W("is"), W("2+2?")}, *text;
	size_t len;

	cr_assert_eq(og_prompt_read(words, 3, NULL, &text, &len, NULL), 0);
	cr_assert_str_eq(text, "What is 2+2?");
	cr_assert_eq(len, 12);
	free(text);
}

Test(request, prompts_that_are_none)
{
	char *empty[] = {W("")}, *blank[] = {W(" \n\t")}, *broken[] = {W("caf\xe9")}, *word[] = {W("x")};

	cr_assert(strstr(refusal(NULL, 0, NULL), "no prompt"));
	cr_assert(strstr(refusal(empty, 1, NULL), "the prompt is empty"));
	cr_assert(strstr(refusal(blank, 1, NULL), "the prompt is empty"));
	cr_assert_str_eq(refusal(broken, 1, NULL), "the prompt is not valid UTF-8 at byte 3 (0xe9)");
	cr_assert(strstr(refusal(word, 1, "/dev/null"), "not both"));
	cr_assert(strstr(refusal(NULL, 0, "/dev/null"), "the prompt is empty"));
	cr_assert(strstr(refusal(NULL, 0, "/no/such/file"), "/no/such/file cannot be opened: No such file"));
	cr_assert(strstr(refusal(NULL, 0, "/"), "/ cannot be read: Is a directory"));
}

/* A file of `size` bytes of 'x', of which the byte at `at` is `c`. */
static char *make_file(size_t size, size_t at, char c)
{
	static char path[64];
	char *data = malloc(size);
	int fd;

	strcpy(path, "/tmp/og-test-request-XXXXXX");
	fd = mkstemp(path);
	memset(data, 'x', size);
	data[at] = c;
	cr_assert_eq(write(fd, data, size), (ssize_t)size);
	close(fd);
	free(data);
	return path;
}

Test(request, files)
{
	char *path = make_file(OG_BODY_MAX, 0, 'x'), *text;
	size_t len;

	cr_assert_eq(og_prompt_read(NULL, 0, path, &text, &len, NULL), 0);
	cr_assert_eq(len, OG_BODY_MAX);
	free(text);
	unlink(path);
	path = make_file(OG_BODY_MAX + 1, 0, 'x');
	cr_assert(strstr(refusal(NULL, 0, path), "is larger than 8 MiB"));
	unlink(path);
	path = make_file(100, 17, '\0');
	cr_assert(strstr(refusal(NULL, 0, path), "holds a NUL at byte 17"));
	unlink(path);
}

Test(request, the_id_of_an_idempotency_key_is_its_tenants)
{
	char id[OG_ID_LEN + 1], other[OG_ID_LEN + 1], large[10241];
	struct og_error err;

	cr_assert_eq(og_request_id_of_key("a", "producer-nodea", id, &err), 0);
	cr_assert_str_eq(id, "ecf4d408-a532-5ec9-b77e-60a440191f70");
	cr_assert_eq(og_request_id_of_key("a", "producer", other, &err), 0);
	cr_assert_str_neq(other, id);
	memset(large, 'k', sizeof(large) - 1);
	large[sizeof(large) - 1] = '\0';
	cr_assert_eq(og_request_id_of_key(large, "producer", id, &err), -1);
	cr_assert(strstr(err.message, "10240 bytes: it may have 1 to 255"), "%s", err.message);
	cr_assert_eq(og_request_id_of_key("", "producer", id, &err), -1);
	large[255] = '\0';
	cr_assert_eq(og_request_id_of_key(large, "producer", id, &err), 0);
}
