#include "runs.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "leaks.h"

TestSuite(runs, .timeout = 60);

static struct og_envelope envelope(const char *id, int64_t attempt, int64_t count)
{
	return (struct og_envelope){
		.id = id, .attempt = attempt, .delivery_count = count, .epoch = 5, .lease = "lease5"};
}

static struct og_run *run(const char *id)
{
	struct og_envelope e = envelope(id, 1, 0);

	return og_run_new(&e, 1, 7, 1000);
}

Test(runs, waits_starts_settles)
{
	struct og_runs t = {0};
	struct og_run *a = run("a"), *b = run("b"), *c = run("c");

	og_runs_start(&t, a);
	og_runs_wait(&t, b);
	og_runs_wait(&t, c);
	cr_assert_eq(t.n_running, 1);
	cr_assert_eq(t.line, b);
	cr_assert_eq(og_runs_find(&t, "c"), c);
	og_runs_settle(&t, a);
	cr_assert_eq(t.n_running, 0);
	cr_assert_eq(og_runs_find(&t, "a"), a);
	og_runs_settle(&t, b); /* cancelled while it waited */
	cr_assert_eq(t.line, c);
	og_runs_start(&t, c);
	cr_assert_null(t.line);
	cr_assert_eq(t.n_running, 1);
	cr_assert_eq(og_runs_count(&t), 3);
	og_runs_remove(&t, a);
	og_runs_remove(&t, b);
	og_runs_remove(&t, c);
	cr_assert_eq(og_runs_count(&t), 0);
	cr_assert_eq(t.n_running, 0);
	og_run_free(a);
	og_run_free(b);
	og_run_free(c);
}

Test(runs, one_refused_goes_straight_to_settling)
{
	struct og_runs t = {0};
	struct og_run *a = run("a");

	og_runs_settle(&t, a);
	cr_assert_eq(a->phase, OG_RUN_SETTLING);
	cr_assert_eq(og_runs_count(&t), 1);
	og_runs_remove(&t, a);
	og_run_free(a);
}

Test(runs, what_a_delivery_meets)
{
	struct og_envelope first = envelope("a", 1, 0), second = envelope("a", 2, 0), unnumbered = envelope("a", 0, 0);
	struct og_run *held = og_run_new(&first, 1, 1, 0);

	cr_assert_eq(og_run_meets(NULL, &first), OG_MEETS_NOBODY);
	cr_assert_eq(og_run_meets(held, &first), OG_MEETS_ITSELF);
	cr_assert_eq(og_run_meets(held, &unnumbered), OG_MEETS_ITSELF, "no attempt is the first");
	cr_assert_eq(og_run_meets(held, &second), OG_MEETS_OLDER);
	held->phase = OG_RUN_SETTLING;
	cr_assert_eq(og_run_meets(held, &first), OG_MEETS_ITSELF);
	cr_assert_eq(og_run_meets(held, &second), OG_MEETS_NOBODY, "what settles ends by itself");
	held->attempt = 3;
	cr_assert_eq(og_run_meets(held, &second), OG_MEETS_NEWER);
	og_run_free(held);
}

Test(runs, taking_a_delivery_over)
{
	struct og_envelope e = envelope("a", 1, 2);
	struct og_run *r = og_run_new(&e, 1, 7, 0);

	cr_assert_eq(r->run, 2);
	e.delivery_count = 3;
	og_run_take_over(r, &e, 4, 9);
	cr_assert_eq(r->run, 2, "it came straight back: nobody else has run it");
	cr_assert_eq(r->delivery_epoch, 4);
	cr_assert_eq(r->delivery_tag, 9);
	e.delivery_count = 5;
	og_run_take_over(r, &e, 5, 1);
	cr_assert_eq(r->run, 5, "someone may have run it in between");
	og_run_free(r);
}

Test(runs, a_later_leaders_lease_counts)
{
	struct og_envelope e = envelope("a", 1, 0);
	struct og_run *r = og_run_new(&e, 1, 7, 0);

	e.epoch = 4;
	e.lease = "lease4";
	og_run_take_over(r, &e, 1, 8);
	cr_assert_str_eq(r->lease, "lease5");
	e.epoch = 6;
	e.lease = "lease6";
	og_run_take_over(r, &e, 1, 8);
	cr_assert_str_eq(r->lease, "lease6");
	cr_assert_eq(r->epoch, 6);
	og_run_free(r);
}

static struct og_run *suspect(const char *id)
{
	struct og_run *r = run(id);

	r->suspect = true;
	return r;
}

static void end(struct og_runs *t, struct og_run *r)
{
	og_runs_remove(t, r);
	og_run_free(r);
}

Test(runs, the_next_is_the_first_as_long_as_there_are_slots)
{
	struct og_runs t = {0};
	struct og_run *a = run("a"), *b = run("b");

	cr_assert_null(og_runs_next(&t, 1));
	og_runs_wait(&t, a);
	og_runs_wait(&t, b);
	cr_assert_null(og_runs_next(&t, 0));
	cr_assert_eq(og_runs_next(&t, 1), a);
	og_runs_start(&t, a);
	cr_assert_null(og_runs_next(&t, 1));
	cr_assert_eq(og_runs_next(&t, 2), b);
	end(&t, a);
	end(&t, b);
}

Test(runs, a_suspect_runs_alone)
{
	struct og_runs t = {0};
	struct og_run *a = run("a"), *b = run("b"), *s = suspect("s"), *s2 = suspect("s2");

	og_runs_wait(&t, a);
	og_runs_start(&t, a);
	og_runs_wait(&t, b);
	og_runs_wait(&t, s);
	og_runs_wait(&t, s2);
	cr_assert_null(og_runs_next(&t, 8), "not beside one that runs, and nobody else meanwhile");
	end(&t, a);
	cr_assert_eq(og_runs_next(&t, 8), s, "it does not wait for those who came before");
	og_runs_announce(&t, s);
	cr_assert_eq(t.alone, s);
	cr_assert_eq(t.n_running, 1);
	cr_assert_null(og_runs_next(&t, 8));
	og_runs_start(&t, s);
	cr_assert_eq(t.n_running, 1);
	cr_assert_eq(s->phase, OG_RUN_RUNNING);
	cr_assert_null(og_runs_next(&t, 8));
	og_runs_settle(&t, s);
	cr_assert_eq(og_runs_next(&t, 8), s2);
	og_runs_settle(&t, s2); /* cancelled while it waited */
	cr_assert_eq(og_runs_next(&t, 8), b);
	end(&t, b);
	end(&t, s);
	end(&t, s2);
	cr_assert_eq(t.n_suspects, 0);
	cr_assert_null(t.alone);
}

Test(runs, an_announced_suspect_that_is_cancelled_makes_room)
{
	struct og_runs t = {0};
	struct og_run *s = suspect("s"), *b = run("b");

	og_runs_wait(&t, s);
	og_runs_wait(&t, b);
	og_runs_announce(&t, s);
	og_runs_settle(&t, s);
	cr_assert_eq(t.n_running, 0);
	cr_assert_eq(og_runs_next(&t, 1), b);
	end(&t, s);
	end(&t, b);
}

Test(runs, the_earliest_deadline_of_those_held)
{
	struct og_runs t = {0};
	struct og_run *a = run("a"), *b = run("b"), *c = run("c");

	cr_assert_eq(og_runs_due(&t), 0);
	og_runs_start(&t, a);
	cr_assert_eq(og_runs_due(&t), 0);
	b->deadline_ms = 500;
	c->deadline_ms = 400;
	og_runs_wait(&t, b);
	og_runs_wait(&t, c);
	cr_assert_eq(og_runs_due(&t), 400);
	og_runs_settle(&t, c);
	cr_assert_eq(og_runs_due(&t), 500, "what settles has ended");
	end(&t, a);
	end(&t, b);
	end(&t, c);
}

Test(runs, are_counted_by_where_they_came_from)
{
	struct og_runs t = {0};
	struct og_run *a = run("a"), *b = run("b");

	b->source = OG_FROM_OWN;
	og_runs_start(&t, a);
	og_runs_settle(&t, b);
	cr_assert_eq(og_runs_count_from(&t, OG_FROM_TIER), 1);
	cr_assert_eq(og_runs_count_from(&t, OG_FROM_OWN), 1);
	end(&t, a);
	cr_assert_eq(og_runs_count_from(&t, OG_FROM_TIER), 0);
	end(&t, b);
}

Test(runs, of_those_who_hear_the_oldest_makes_room)
{
	struct og_run *r = run("a");
	char reply[16];

	for (int i = 0; i < OG_HEARERS_MAX + 2; i++) {
		snprintf(reply, sizeof(reply), "r%d", i);
		og_run_hear(r, reply);
		og_run_hear(r, reply);
	}
	cr_assert_eq(r->n_hearers, OG_HEARERS_MAX);
	cr_assert_str_eq(r->hearers[0].reply, "r2");
	cr_assert_str_eq(r->hearers[OG_HEARERS_MAX - 1].reply, "r9");
	og_run_free(r);
}
