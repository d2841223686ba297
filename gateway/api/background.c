#include "api/background.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

/* An item of a rule: borrowed from it, without blanks around. */
struct item {
	const char *text;
	size_t len;
};

/* -1: there is no further one. */
static int next_item(const char **rule, struct item *ret)
{
	const char *at = *rule;

	at += strspn(at, ", \t");
	if (!*at)
		return -1;
	*ret = (struct item){at, strcspn(at, ",")};
	*rule = at + ret->len;
	while (ret->len && isspace((unsigned char)at[ret->len - 1]))
		ret->len--;
	return 0;
}

/* What stands behind `kind`; false: it is of another one. */
static bool is_of(const struct item *item, const char *kind, struct item *ret)
{
	size_t len = strlen(kind);

	if (item->len <= len || strncmp(item->text, kind, len) != 0)
		return false;
	*ret = (struct item){item->text + len, item->len - len};
	return true;
}

int og_background_check(const char *rule, struct og_error *err)
{
	struct item item, rest;

	while (next_item(&rule, &item) == 0) {
		if (!is_of(&item, "task:", &rest) && !is_of(&item, "prompt:", &rest))
			return og_fail(err, OG_INVALID,
				"gateway.background: '%.*s' is neither task:NAME nor prompt:TEXT (a TEXT has no comma "
				"in it)",
				(int)(item.len < 60 ? item.len : 60), item.text);
	}
	return 0;
}

static size_t blanks(const char *text, size_t len)
{
	size_t n = 0;

	while (n < len && isspace((unsigned char)text[n]))
		n++;
	return n;
}

static bool begins_with(const char *text, size_t len, const struct item *with)
{
	size_t at = blanks(text, len), i = blanks(with->text, with->len);

	while (i < with->len) {
		size_t gap = blanks(with->text + i, with->len - i), seen = blanks(text + at, len - at);

		if (!gap != !seen)
			return false;
		at += seen;
		i += gap;
		if (at >= len || tolower((unsigned char)text[at]) != tolower((unsigned char)with->text[i]))
			return false;
		at++;
		i++;
	}
	return true;
}

/* What the user says last: a text, or the first text of the parts. */
static const json_t *said_last(const json_t *body)
{
	const json_t *messages = json_object_get(body, "messages"), *content = NULL, *part;
	size_t i = json_array_size(messages);

	if (!messages)
		return json_object_get(body, "prompt");
	while (i-- > 0) {
		const char *role = json_string_value(json_object_get(json_array_get(messages, i), "role"));

		if (role && !strcmp(role, "user")) {
			content = json_object_get(json_array_get(messages, i), "content");
			break;
		}
	}
	if (!json_is_array(content))
		return content;
	json_array_foreach(content, i, part)
	{
		if (json_is_string(json_object_get(part, "text")))
			return json_object_get(part, "text");
	}
	return NULL;
}

bool og_background_is(const char *rule, const json_t *body)
{
	const char *task = json_string_value(json_object_get(json_object_get(body, "metadata"), "task"));
	const json_t *said = said_last(body);
	struct item item, rest;

	while (next_item(&rule, &item) == 0) {
		if (is_of(&item, "task:", &rest)) {
			if (task && strlen(task) == rest.len && !strncmp(task, rest.text, rest.len))
				return true;
		} else if (is_of(&item, "prompt:", &rest) && json_is_string(said)) {
			if (begins_with(json_string_value(said), json_string_length(said), &rest))
				return true;
		}
	}
	return false;
}
