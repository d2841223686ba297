#include "model/trace.h"

#include <string.h>

/* Where they begin: "00-<trace id>-<parent id>-<flags>". */
enum { ID = 3, PARENT = 36, FLAGS = 53, PARENT_LEN = 16, MEMBERS_MAX = 32 };

static bool is_hex(const char *s, size_t len)
{
	return strspn(s, "0123456789abcdef") >= len;
}

static bool is_zero(const char *s, size_t len)
{
	return strspn(s, "0") >= len;
}

bool og_traceparent_read(const char *text, char ret[static OG_TRACEPARENT_LEN + 1])
{
	size_t len = text ? strlen(text) : 0;
	bool first = len >= 2 && !strncmp(text, "00", 2);

	if (len < OG_TRACEPARENT_LEN || !is_hex(text, 2) || !strncmp(text, "ff", 2) || text[ID - 1] != '-' ||
		text[PARENT - 1] != '-' || text[FLAGS - 1] != '-')
		return false;
	if (!is_hex(text + ID, OG_TRACE_ID_LEN) || !is_hex(text + PARENT, PARENT_LEN) || !is_hex(text + FLAGS, 2) ||
		is_zero(text + ID, OG_TRACE_ID_LEN) || is_zero(text + PARENT, PARENT_LEN))
		return false;
	if (len > OG_TRACEPARENT_LEN && (first || text[OG_TRACEPARENT_LEN] != '-'))
		return false;
	memcpy(ret, text, OG_TRACEPARENT_LEN);
	ret[OG_TRACEPARENT_LEN] = '\0';
	memcpy(ret, "00", 2);
	return true;
}

void og_trace_id(const char traceparent[static OG_TRACEPARENT_LEN + 1], char ret[static OG_TRACE_ID_LEN + 1])
{
	memcpy(ret, traceparent + ID, OG_TRACE_ID_LEN);
	ret[OG_TRACE_ID_LEN] = '\0';
}

/* Up to its comma: blank, or a key and a value. */
static bool is_member(const char *s, size_t len)
{
	const char *equals = memchr(s, '=', len);

	return strspn(s, " \t") >= len || (equals && equals > s);
}

bool og_tracestate_valid(const char *text)
{
	size_t members = 0;

	if (!*text || strlen(text) > OG_TRACESTATE_MAX)
		return false;
	for (const char *s = text; *s; s++)
		if ((*s < ' ' || *s > '~') && *s != '\t')
			return false;
	for (const char *s = text; *s && members <= MEMBERS_MAX; members++) {
		size_t len = strcspn(s, ",");

		if (!is_member(s, len))
			return false;
		s += len + (s[len] == ',');
	}
	return members <= MEMBERS_MAX;
}
