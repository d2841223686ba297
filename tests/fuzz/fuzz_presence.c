/* Presence and membership that are accepted survive the wire. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "model/presence.h"

static void check_presence(const uint8_t *data, size_t size)
{
	struct og_presence p, back;
	struct og_error err = {0};
	og_autofree char *text = NULL, *again = NULL;

	if (og_presence_decode(data, size, &p, &err) < 0) {
		if (err.kind != OG_INVALID)
			abort();
		return;
	}
	text = og_presence_encode(&p);
	if (og_presence_decode(text, strlen(text), &back, &err) < 0)
		abort();
	again = og_presence_encode(&back);
	if (strcmp(text, again) != 0)
		abort();
	og_presence_done(&p);
	og_presence_done(&back);
}

static void check_membership(const uint8_t *data, size_t size)
{
	og_autofree struct og_member *members = NULL, *back = NULL;
	og_autofree char *text = NULL;
	struct og_error err = {0};
	size_t n, n_back, count, count_back;

	if (og_membership_decode(data, size, &members, &n, &count, &err) < 0) {
		if (err.kind != OG_INVALID)
			abort();
		return;
	}
	text = og_membership_encode(members, n, count);
	if (og_membership_decode(text, strlen(text), &back, &n_back, &count_back, &err) < 0)
		abort();
	if (n != n_back || count != count_back)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_presence(data, size);
	check_membership(data, size);
	return 0;
}
