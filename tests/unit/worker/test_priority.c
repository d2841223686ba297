#include "priority.h"

#include <criterion/criterion.h>
#include <math.h>

#include "leaks.h"

TestSuite(priority, .timeout = 60);

Test(priority, grows_with_the_speed_in_steps_of_a_fifth)
{
	cr_assert_eq(og_consumer_priority(0), 0);
	cr_assert_eq(og_consumer_priority(0.01), 0);
	cr_assert_eq(og_consumer_priority(1), 0);
	cr_assert_eq(og_consumer_priority(2), 4);
	cr_assert_eq(og_consumer_priority(16), 16);
	cr_assert_eq(og_consumer_priority(16.5), 16, "noise is none");
	cr_assert_eq(og_consumer_priority(20), 17);
	cr_assert_eq(og_consumer_priority(1e300), 100);
	cr_assert_eq(og_consumer_priority(INFINITY), 100);
}
