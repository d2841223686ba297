#include <criterion/criterion.h>

#include "plan/lease.h"

#include "model/presence.h"

TestSuite(lease, .timeout = 60);

#define ID "0b1f9a52-7a5e-4a3b-9c1d-2f3e4a5b6c7d"

Test(lease, is_the_hmac_that_the_protocol_names)
{
	struct og_lease *l = og_lease_new("secret", 6);
	char lease[OG_LEASE_HEX + 1];

	/* printf '%s' "$ID|1|1763700000000" | openssl dgst -sha256 -hmac secret */
	og_lease_make(l, ID, 1, 1763700000000, lease);
	cr_expect_str_eq(lease, "1e6caf603e27bcc6cc32a12ca46fabac69057092435bb90363fb0d5f9b633c7f");
	og_lease_free(l);
}

Test(lease, fits_only_its_own_placement)
{
	struct og_lease *l = og_lease_new("secret", 6), *other = og_lease_new("Secret", 6);
	char lease[OG_LEASE_HEX + 1];

	og_lease_make(l, ID, 1, 7, lease);
	cr_expect(og_lease_fits(l, ID, 1, 7, lease));
	cr_expect(og_lease_fits(l, ID, 1, 7, lease), "a context can be used again");
	cr_expect_not(og_lease_fits(l, ID, 2, 7, lease));
	cr_expect_not(og_lease_fits(l, ID, 1, 8, lease));
	cr_expect_not(og_lease_fits(l, "1b1f9a52-7a5e-4a3b-9c1d-2f3e4a5b6c7d", 1, 7, lease));
	cr_expect_not(og_lease_fits(other, ID, 1, 7, lease));
	cr_expect_not(og_lease_fits(l, ID, 1, 7, ""));
	lease[0] = lease[0] == '0' ? '1' : '0';
	cr_expect_not(og_lease_fits(l, ID, 1, 7, lease));
	og_lease_free(l);
	og_lease_free(other);
}

Test(lease, its_first_digits_tell_a_run)
{
	struct og_lease *l = og_lease_new("secret", 6);
	char lease[OG_LEASE_HEX + 1];

	og_lease_make(l, ID, 1, 7, lease);
	cr_expect_not(og_lease_fits_short(l, ID, 1, 7, lease), "a heartbeat never shows the whole");
	lease[OG_PRESENCE_LEASE] = '\0';
	cr_expect(og_lease_fits_short(l, ID, 1, 7, lease));
	cr_expect_not(og_lease_fits_short(l, ID, 2, 7, lease));
	cr_expect_not(og_lease_fits_short(l, ID, 1, 7, ""));
	og_lease_free(l);
}
