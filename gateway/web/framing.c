/* Where a request ends, and for whom it is. Two servers in a row that see different ends let a stranger hide a request in another's (RFC 9112, 11.2),
 * so what can be read in two ways is refused, and the connection closed. */
#include <string.h>
#include <strings.h>

#include "web/web_state.h"

struct head {
	unsigned lengths, encodings, hosts;
	bool strange;
};

static enum MHD_Result look_at(void *ctx, enum MHD_ValueKind kind, const char *name, const char *value)
{
	struct head *h = ctx;

	(void)kind;
	if (name[strcspn(name, " \t")]) {
		h->strange = true;
	} else if (!strcasecmp(name, MHD_HTTP_HEADER_CONTENT_LENGTH)) {
		h->lengths++;
	} else if (!strcasecmp(name, MHD_HTTP_HEADER_HOST)) {
		h->hosts++;
	} else if (!strcasecmp(name, MHD_HTTP_HEADER_TRANSFER_ENCODING)) {
		h->encodings++;
		h->strange = h->strange || !value || strcasecmp(value, "chunked") != 0;
	}
	return MHD_YES;
}

bool og_web_is_ambiguous(struct MHD_Connection *mhd)
{
	struct head h = {0};

	MHD_get_connection_values(mhd, MHD_HEADER_KIND, look_at, &h);
	return h.strange || h.lengths + h.encodings > 1 || h.hosts > 1;
}

/* "%00" stays as it is written: a path with a NUL in it would be cut off there. */
size_t og_web_unescape(void *ctx, struct MHD_Connection *mhd, char *text)
{
	static const char digits[] = "0123456789abcdef0123456789ABCDEF";
	char *to = text;

	(void)ctx, (void)mhd;
	for (const char *from = text; *from; from++) {
		const char *high = *from == '%' && from[1] ? strchr(digits, from[1]) : NULL;
		const char *low = high && from[2] ? strchr(digits, from[2]) : NULL;
		int byte = low ? (int)((high - digits) % 16 * 16 + (low - digits) % 16) : 0;

		*to++ = byte ? (char)byte : *from;
		from += byte ? 2 : 0;
	}
	*to = '\0';
	return (size_t)(to - text);
}
