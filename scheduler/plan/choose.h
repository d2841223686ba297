/* Which worker a job goes to. Most have no wish: the tier's queue, where the broker prefers the fast. One that has a wish
 * (its session's worker, another node than those that failed, nobody else beside it …) goes to one worker by that
 * worker's own queue, which never holds more than the worker has free slots for (og_worker_free_slots): what is in it
 * starts at once.
 *
 *   wish      a worker that fits has a free slot   those that fit are busy        there is none that fits
 *   session   it                                   affinity_wait_ms, then as none  as none
 *   alone     one that is idle, else as tried      as tried                        as tried
 *   tried     the fastest                          2 s, then as none               as none
 *   avoid     the fastest                          waits                           waits no_capacity_after_ms, then none
 *   region    as avoid
 *
 * avoid and region are never given up: with them `as none` means the fastest of those that they allow. */
#ifndef OG_SCHEDULER_CHOOSE_H
#define OG_SCHEDULER_CHOOSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OG_SESSIONS_MAX 16384
#define OG_ELSEWHERE_MS 2000 /* how long a job that failed here waits for a slot elsewhere */
#define OG_LOOK_MS      50   /* between two looks at a job that is held */

struct og_plan;
struct og_entry;
struct og_worker;

/* From the og-* headers of the same names; NULL: none. `alone`: a suspect. */
struct og_wish {
	const char *session, *avoid, *tried, *region;
	bool alone;
};

enum og_choice {
	OG_CHOICE_ANY,    /* the tier's queue, or one that is to show that it works again: og_plan_probe */
	OG_CHOICE_WORKER, /* the own queue of *ret: og_index_set_meant says so to the index */
	OG_CHOICE_LATER,  /* look again: hold_until of the entry is set, and og_plan_next passes it over until then */
	OG_CHOICE_NONE,   /* nobody that it may go to has been there for no_capacity_after_ms: it ends no_capacity */
};
/* Of an entry that og_plan_next named, or that has just come. */
enum og_choice og_plan_choose(
	struct og_plan *p, struct og_entry *e, const struct og_wish *wish, int64_t now, struct og_worker **ret);

/* This worker has the session's cache now. The OG_SESSIONS_MAX used last are kept, for one leadership. */
void og_plan_remember_session(
	struct og_plan *p, const char *tenant, const char *session, const struct og_worker *worker);

/* It may ever run the job: avoid and region allow it. */
bool og_worker_allowed(const struct og_worker *w, const struct og_wish *wish);

/* Whether the node (its id, or its name) is in a list with commas between, and blanks around them; NULL: an empty one. */
bool og_node_in_list(const char *list, const char *node);

/* For admit.c. */
struct og_sessions *og_sessions_new(size_t cap);
void og_sessions_free(struct og_sessions *s); /* NULL: none */

#endif
