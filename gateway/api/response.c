/* The worker writes the `response` first in its done body, so that whoever passes it on need not take the body apart. */
#include <string.h>

#include "api/prompt.h"

static size_t skip_space(const char *s, size_t at, size_t len)
{
	while (at < len && (s[at] == ' ' || s[at] == '\t' || s[at] == '\r' || s[at] == '\n'))
		at++;
	return at;
}

/* One past the object that begins at `at`; 0: it does not end. Strings may hold brackets. */
static size_t end_of_object(const char *s, size_t at, size_t len)
{
	size_t depth = 0;
	bool in_text = false;

	for (; at < len; at++) {
		char c = s[at];

		if (in_text) {
			if (c == '\\')
				at++;
			else
				in_text = c != '"';
		} else if (c == '"') {
			in_text = true;
		} else if (c == '{' || c == '[') {
			depth++;
		} else if ((c == '}' || c == ']') && --depth == 0) {
			return at + 1;
		}
	}
	return 0;
}

int og_prompt_response(const struct og_job_end *end, const char **ret, size_t *ret_len)
{
	static const char key[] = "\"response\"";
	const char *s = end->body;
	size_t at, stop;

	if (!s || (at = skip_space(s, 0, end->len)) >= end->len || s[at] != '{')
		return -1;
	at = skip_space(s, at + 1, end->len);
	if (end->len - at <= sizeof(key) || memcmp(s + at, key, sizeof(key) - 1) != 0)
		return -1;
	at = skip_space(s, at + sizeof(key) - 1, end->len);
	if (at >= end->len || s[at] != ':')
		return -1;
	at = skip_space(s, at + 1, end->len);
	if (at >= end->len || s[at] != '{' || !(stop = end_of_object(s, at, end->len)))
		return -1;
	*ret = s + at;
	*ret_len = stop - at;
	return 0;
}
