/* A profile that is accepted survives its own file. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "model/profile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct og_profile p, back;
	struct og_error err = {0};
	og_autofree char *text = NULL, *again = NULL;

	if (og_profile_decode((const char *)data, size, &p, &err) < 0) {
		if (err.kind != OG_INVALID)
			abort();
		return 0;
	}
	text = og_profile_encode(&p);
	if (og_profile_decode(text, strlen(text), &back, &err) < 0)
		abort();
	again = og_profile_encode(&back);
	if (strcmp(text, again) != 0)
		abort();
	return 0;
}
