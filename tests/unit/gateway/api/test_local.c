#include <criterion/criterion.h>

#include "api/local.h"

struct row {
	const char *host, *origin;
	bool forwarded, allowed, own;
};

Test(local, whose)
{
	static const struct row rows[] = {
		{NULL, NULL, false, false, true},
		{"127.0.0.1:8080", NULL, false, false, true},
		{"[::1]:8080", NULL, false, false, true},
		{"LocalHost", NULL, false, false, true},
		{"chat.localhost:80", NULL, false, false, true},
		{"mybox:8080", NULL, false, false, true},
		{"mybox", "http://mybox", false, false, false},
		{"127.0.0.1", NULL, true, false, false},
		{"gateway.example", NULL, false, false, false},
		{"127.0.0.1.evil.example:8080", NULL, false, false, false},
		{"localhost.evil.example", NULL, false, false, false},
		{"", NULL, false, false, false},
		{"[::1", NULL, false, false, false},
		{"localhost", "http://localhost:3000", false, false, true},
		{"localhost", "http://[::1]:3000", false, false, true},
		{"localhost", "https://evil.example", false, false, false},
		{"localhost", "https://evil.example", false, true, true},
		{"localhost", "null", false, false, false},
		{"evil.example", "http://evil.example", false, true, false},
	};

	for (const struct row *r = rows; r < rows + sizeof(rows) / sizeof(rows[0]); r++) {
		const struct og_local_head head = {r->host, r->origin, r->forwarded};

		cr_expect_eq(og_local_is_own(&head, r->allowed), r->own, "host %s, origin %s", r->host ? r->host : "-",
			r->origin ? r->origin : "-");
	}
}
