#include "pulse.h"

#include <criterion/criterion.h>
#include <string.h>

#include "base/clock.h"
#include "io/amqp_memory.h"
#include "leaks.h"

static struct {
	uv_loop_t loop;
	struct og_memory_broker *broker;
	struct og_amqp *out;
	struct og_pulse pulse;
	unsigned filled;
	bool stopped;
} t;

static void fill(void *ctx, struct og_presence *p)
{
	(void)ctx;
	t.filled++;
	strcpy(p->node_id, "11111111-1111-4111-8111-111111111111");
	strcpy(p->instance, p->node_id);
	strcpy(p->node_name, "NodeA");
	strcpy(p->worker, "NodeA/peer/1");
}

static void turn(void)
{
	for (int i = 0; i < 20; i++)
		uv_run(&t.loop, UV_RUN_NOWAIT);
}

static void setup(void)
{
	const struct og_amqp_config config = {.window = 100};
	const struct og_amqp_events none = {0};
	struct og_catalogue *catalogue = og_catalogue_default();
	struct og_topology *topology = og_topology_new(catalogue, &(struct og_topology_limits){0});

	uv_loop_init(&t.loop);
	t.broker = og_memory_broker_new(&t.loop, topology);
	t.out = og_memory_broker_connect(t.broker, "worker", &config, &none);
	t.pulse = (struct og_pulse){.out = t.out, .fill = fill};
	og_pulse_init(&t.pulse, &t.loop);
	og_topology_free(topology);
	free(catalogue);
}

static void stop(void)
{
	if (!t.stopped)
		og_pulse_stop(&t.pulse);
	t.stopped = true;
}

static void teardown(void)
{
	stop();
	og_amqp_close(t.out, NULL, NULL);
	turn();
	og_memory_broker_free(t.broker);
	uv_run(&t.loop, UV_RUN_DEFAULT);
	cr_assert_eq(uv_loop_close(&t.loop), 0);
}

static int64_t due_in(void)
{
	return uv_is_active((uv_handle_t *)&t.pulse.timer) ? (int64_t)uv_timer_get_due_in(&t.pulse.timer) : -1;
}

TestSuite(pulse, .init = setup, .fini = teardown, .timeout = 60);

Test(pulse, beats_every_two_seconds_from_the_first_on)
{
	turn();
	og_pulse_change(&t.pulse, OG_PULSE_CHANGE_MS);
	cr_assert_eq(due_in(), -1, "nothing before the first beat");
	og_pulse_beat(&t.pulse);
	cr_assert_eq(t.filled, 1);
	cr_assert(due_in() > 1900 && due_in() <= 2000, "%d", (int)due_in());
}

Test(pulse, a_change_comes_soon_and_not_more_often)
{
	turn();
	og_pulse_beat(&t.pulse);
	og_pulse_change(&t.pulse, OG_PULSE_RUNS_MS);
	cr_assert(due_in() > 400 && due_in() <= 500, "%d", (int)due_in());
	for (int i = 0; i < 1000; i++)
		og_pulse_change(&t.pulse, OG_PULSE_CHANGE_MS);
	cr_assert(due_in() > 0 && due_in() <= 100, "%d", (int)due_in());
	og_pulse_change(&t.pulse, OG_PULSE_RUNS_MS);
	cr_assert_leq(due_in(), 100, "what is due sooner stays so");
	cr_assert_eq(t.filled, 1);
}

Test(pulse, a_change_after_a_long_rest_is_told_at_once)
{
	turn();
	og_pulse_beat(&t.pulse);
	t.pulse.last_ms -= 1500;
	og_pulse_change(&t.pulse, OG_PULSE_CHANGE_MS);
	cr_assert_eq(due_in(), 0);
}

Test(pulse, nothing_is_kept_for_later_while_the_broker_is_away)
{
	og_pulse_beat(&t.pulse); /* not connected yet */
	cr_assert_eq(t.filled, 0);
	cr_assert_gt(due_in(), 0);
	cr_assert_eq(t.out->ops->in_flight(t.out), 0);
}

Test(pulse, a_long_alarm_leaves_no_heap_of_what_was_true)
{
	turn();
	og_memory_broker_block(t.broker, true);
	for (int i = 0; i < 50; i++) {
		og_pulse_beat(&t.pulse);
		turn();
	}
	cr_expect_eq(t.out->ops->in_flight(t.out), 1, "no more than one that is on its way");
	cr_expect_eq(t.filled, 1);
	cr_expect_gt(due_in(), 1900, "the rhythm stays");
	og_memory_broker_block(t.broker, false);
	turn();
	cr_expect_eq(t.out->ops->in_flight(t.out), 0);
	cr_expect(due_in() >= 0 && due_in() <= 100, "what is true now is told soon, not in %d ms", (int)due_in());
	og_pulse_beat(&t.pulse);
	cr_expect_eq(t.filled, 2);
}

Test(pulse, none_is_made_while_the_broker_says_that_it_takes_nothing)
{
	turn();
	og_pulse_beat(&t.pulse);
	turn();
	og_pulse_blocked(&t.pulse, true);
	og_pulse_beat(&t.pulse);
	cr_expect_eq(t.filled, 1);
	cr_expect_gt(due_in(), 1900);
	og_pulse_blocked(&t.pulse, false);
	cr_expect(due_in() >= 0 && due_in() <= 100, "%d", (int)due_in());
}

Test(pulse, what_changed_while_a_beat_was_on_its_way_is_told_after_it)
{
	turn();
	og_pulse_beat(&t.pulse);
	og_pulse_beat(&t.pulse);
	cr_expect_eq(t.filled, 1);
	turn();
	cr_expect(due_in() >= 0 && due_in() <= 100, "%d", (int)due_in());
	og_pulse_beat(&t.pulse);
	turn();
	cr_expect_eq(t.filled, 2);
	cr_expect_gt(due_in(), 1900, "and once");
}

Test(pulse, the_last_word_waits_for_no_other)
{
	turn();
	og_memory_broker_hold_confirms(t.broker, true);
	og_pulse_beat(&t.pulse);
	turn();
	stop();
	cr_expect_eq(t.filled, 2);
	cr_expect_eq(t.out->ops->in_flight(t.out), 2);
	og_memory_broker_hold_confirms(t.broker, false);
	turn();
	cr_expect_eq(t.out->ops->in_flight(t.out), 0);
}
