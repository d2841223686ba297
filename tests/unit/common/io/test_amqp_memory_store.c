#include "io/amqp_memory_store.h"

#include <criterion/criterion.h>

Test(amqp_memory_store, topic_patterns)
{
	cr_assert(og_topic_matches("a.*", "a.b"));
	cr_assert(!og_topic_matches("a.*", "a.b.c"));
	cr_assert(!og_topic_matches("a.*", "a"));
	cr_assert(og_topic_matches("*.done", "user~0123.done"));
	cr_assert(!og_topic_matches("*.done", "x.y.done"));
	cr_assert(og_topic_matches("#", "x.y.done"));
	cr_assert(og_topic_matches("x.#", "x"));
	cr_assert(og_topic_matches("x.#", "x.y.z"));
	cr_assert(og_topic_matches("#.done", "x.y.done"));
	cr_assert(!og_topic_matches("#.done", "x.done.y"));
	cr_assert(!og_topic_matches("ab", "a"));
}
