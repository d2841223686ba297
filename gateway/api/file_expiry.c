#include "api/file_expiry.h"

#include <inttypes.h>
#include <string.h>

#include "base/parse.h"

static int refuse(const char *what, struct og_refusal *why)
{
	og_refuse_with(why, 400, "invalid_value",
		"%s: must have the anchor `created_at` and seconds from 1 to %" PRId64 " (30 days)", what,
		OG_FILE_KEEP_MAX_S);
	why->param = what;
	return -1;
}

int og_file_expiry(const char *what, const json_t *said, int64_t *ret_s, struct og_refusal *why)
{
	const char *anchor = json_string_value(json_object_get(said, "anchor"));
	json_int_t seconds = json_integer_value(json_object_get(said, "seconds"));

	*ret_s = 0;
	if (!said || json_is_null(said))
		return 0;
	if (!anchor || strcmp(anchor, "created_at") != 0 || seconds < 1 || seconds > OG_FILE_KEEP_MAX_S)
		return refuse(what, why);
	*ret_s = seconds;
	return 0;
}

int og_file_expiry_of_form(
	const char *what, const char *anchor, const char *seconds, int64_t *ret_s, struct og_refusal *why)
{
	*ret_s = 0;
	if (!anchor && !seconds)
		return 0;
	if (!anchor || !seconds || strcmp(anchor, "created_at") != 0 ||
		og_parse_int(seconds, 1, OG_FILE_KEEP_MAX_S, ret_s, NULL) < 0)
		return refuse(what, why);
	return 0;
}
