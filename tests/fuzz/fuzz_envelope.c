/* A message of anyone's making: what decodes, encodes and decodes to the same. The input is text: type, message_id, reply_to and user_id
 * on a line each (an empty one is absent), then a header a line, `name=text` or `name#number`. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "model/envelope.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void add_header(struct og_message *m, char *line)
{
	char *at = strpbrk(line, "=#");
	struct og_header h = {.name = line};

	if (!at || m->n_headers == OG_MESSAGE_HEADERS_MAX)
		return;
	if (*at == '=')
		h.text = at + 1;
	else
		h.number = strtoll(at + 1, NULL, 10);
	*at = '\0';
	m->headers[m->n_headers++] = h;
}

static void check(const struct og_message *m)
{
	struct og_message copy = *m;
	struct og_envelope e, again;
	struct og_error err = {0};

	if (og_envelope_decode(m, &e, &err)) {
		if (err.kind != OG_INVALID || !*err.message)
			abort();
		return;
	}
	og_envelope_encode(&e, &copy);
	if (og_envelope_decode(&copy, &again, &err))
		abort();
	/* Written by encode, and the broker's. */
	again.version = e.version;
	again.delivery_count = e.delivery_count;
	/* All else is borrowed from the one message: equal byte by byte. */
	if (memcmp(&e, &again, sizeof(e)) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	og_autofree char *text = og_strndup((const char *)data, size);
	struct og_message m = {0};
	const char **const properties[] = {&m.type, &m.message_id, &m.reply_to, &m.user_id};
	char *rest = text, *line;

	for (size_t i = 0; (line = strsep(&rest, "\n")); i++)
		if (i >= OG_COUNT(properties))
			add_header(&m, line);
		else if (*line)
			*properties[i] = line;
	check(&m);
	return 0;
}
