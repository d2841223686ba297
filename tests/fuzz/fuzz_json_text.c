/* Any text: our reader and jansson's make the same value of it, and our writer and jansson's the same line of that. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "model/json_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_both(const json_t *json)
{
	og_autofree char *theirs = json_dumps(json, JSON_COMPACT), *ours = og_json_line(json, 0);

	if (!theirs || strcmp(theirs, ours) != 0)
		abort();
}

static void read_both(const char *text, size_t len, size_t flags)
{
	json_t *theirs = json_loadb(text, len, flags, NULL), *ours = og_json_load(text, len, flags, NULL);

	if (!theirs != !ours || (theirs && !json_equal(theirs, ours)))
		abort();
	if (ours)
		write_both(ours);
	json_decref(theirs);
	json_decref(ours);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	read_both((const char *)data, size, JSON_ALLOW_NUL);
	read_both((const char *)data, size, JSON_REJECT_DUPLICATES);
	return 0;
}
