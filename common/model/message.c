#include "model/message.h"

#include <string.h>

#include "base/alloc.h"

/* The strings of a message that are not in headers, for those who treat them all alike. */
static const char **property(struct og_message *m, size_t i)
{
	const char **const all[] = {&m->exchange, &m->routing_key, &m->type, &m->message_id, &m->correlation_id,
		&m->reply_to, &m->user_id, &m->content_type};

	return i < OG_COUNT(all) ? all[i] : NULL;
}

static size_t size_of(const char *s)
{
	return s ? strlen(s) + 1 : 0;
}

/* Copies `s` to *end, which moves behind it. */
static const char *append(char **end, const char *s)
{
	char *copy = *end;

	if (!s)
		return NULL;
	memcpy(copy, s, size_of(s));
	*end += size_of(s);
	return copy;
}

struct og_message *og_message_copy(const struct og_message *m)
{
	struct og_message shallow = *m, *copy;
	size_t size = sizeof(*copy) + m->body_len;
	const char **p;
	char *end;

	for (size_t i = 0; (p = property(&shallow, i)); i++)
		size += size_of(*p);
	for (size_t i = 0; i < m->n_headers; i++)
		size += size_of(m->headers[i].name) + size_of(m->headers[i].text);

	copy = og_alloc(size);
	*copy = shallow;
	end = (char *)(copy + 1);
	if (m->body_len)
		memcpy(end, m->body, m->body_len);
	copy->body = m->body_len ? end : NULL;
	end += m->body_len;
	for (size_t i = 0; (p = property(copy, i)); i++)
		*p = append(&end, *p);
	for (size_t i = 0; i < m->n_headers; i++) {
		copy->headers[i].name = append(&end, m->headers[i].name);
		copy->headers[i].text = append(&end, m->headers[i].text);
	}
	return copy;
}

const struct og_header *og_message_header(const struct og_message *m, const char *name)
{
	for (size_t i = 0; i < m->n_headers; i++)
		if (!strcmp(m->headers[i].name, name))
			return &m->headers[i];
	return NULL;
}

const char *og_message_text(const struct og_message *m, const char *name)
{
	const struct og_header *h = og_message_header(m, name);

	return h ? h->text : NULL;
}

int64_t og_message_number(const struct og_message *m, const char *name)
{
	const struct og_header *h = og_message_header(m, name);

	return h && !h->text ? h->number : 0;
}

size_t og_header_size(const struct og_header *h)
{
	return strlen(h->name) + (h->text ? strlen(h->text) : 0);
}

size_t og_message_headers_size(const struct og_message *m)
{
	size_t size = 0;

	for (size_t i = 0; i < m->n_headers; i++)
		size += og_header_size(&m->headers[i]);
	return size;
}
