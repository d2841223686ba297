#include "peers.h"

#include <criterion/criterion.h>
#include <stdio.h>

#include "base/alloc.h"
#include "leaks.h"

TestSuite(peers, .timeout = 60);

static struct og_member member(const char *id, const char *name)
{
	struct og_member m = {0};

	snprintf(m.id, sizeof(m.id), "%s", id);
	snprintf(m.name, sizeof(m.name), "%s", name);
	return m;
}

static void expect(const struct og_peers *p, const char *wanted)
{
	og_autofree char *text = og_peers_text(p);

	cr_assert_str_eq(text, wanted);
}

Test(peers, sorted_by_name_and_without_us)
{
	struct og_peers p = {0};
	const struct og_member members[] = {member("c", "NodeC"), member("b", "NodeB"), member("a", "NodeA")};

	expect(&p, "[]");
	cr_assert(og_peers_hear(&p, "c", "NodeC", members, 3, 3));
	expect(&p, "[NodeA, NodeB]");
	cr_assert(!og_peers_hear(&p, "c", "NodeC", members, 3, 3), "nothing new");
	cr_assert(og_peers_hear(&p, "c", "NodeC", members, 1, 1));
	expect(&p, "[]");
	og_peers_done(&p);
}

Test(peers, nodes_of_one_name_are_told_apart)
{
	struct og_peers p = {0};
	const struct og_member members[] = {
		member("bbbbbbbb-2", "Twin"), member("aaaaaaaa-1", "Twin"), member("c", "NodeC"), member("d", "Self")};

	cr_assert(og_peers_hear(&p, "d", "Self", members, 4, 4));
	expect(&p, "[NodeC, Twin (aaaaaaaa), Twin (bbbbbbbb)]");
	cr_assert(!p.namesake);
	cr_assert(og_peers_hear(&p, "aaaaaaaa-1", "Twin", members, 4, 4));
	expect(&p, "[NodeC, Self, Twin]");
	cr_assert(p.namesake);
	og_peers_done(&p);
}

Test(peers, a_list_that_was_cut)
{
	struct og_peers p = {0};
	const struct og_member members[] = {member("a", "NodeA"), member("b", "NodeB")};

	cr_assert(og_peers_hear(&p, "z", "Self", members, 2, 10));
	expect(&p, "[NodeA, NodeB and 7 more]");
	cr_assert(og_peers_hear(&p, "a", "NodeA", members, 2, 10));
	expect(&p, "[NodeB and 8 more]");
	og_peers_done(&p);
}
