#include "model/job.h"

#include <string.h>

#include "base/alloc.h"

#define BIT(state) (1u << (state))
#define ENDS_EARLY                                                                                                     \
	(BIT(OG_STATE_FAILED) | BIT(OG_STATE_CANCELLED) | BIT(OG_STATE_EXPIRED) | BIT(OG_STATE_DEAD) |                 \
		BIT(OG_STATE_NO_CAPACITY))

static const char *const class_names[OG_CLASSES] = {"high", "normal", "batch"};

/* The diagram of job.h, and what a terminal state means to the shell. A state without followers is terminal. */
static const struct {
	const char *name;
	unsigned followers;
	enum og_exit exit;
} states[OG_STATES] = {
	[OG_STATE_ACCEPTED] = {"accepted",
		BIT(OG_STATE_QUEUED) | BIT(OG_STATE_PLACED) | BIT(OG_STATE_BUSY) | ENDS_EARLY, OG_EXIT_INTERNAL},
	[OG_STATE_QUEUED] = {"queued", BIT(OG_STATE_PLACED) | ENDS_EARLY, OG_EXIT_INTERNAL},
	[OG_STATE_PLACED] = {"placed", BIT(OG_STATE_RUNNING) | BIT(OG_STATE_DONE) | ENDS_EARLY, OG_EXIT_INTERNAL},
	[OG_STATE_RUNNING] = {"running", BIT(OG_STATE_PLACED) | BIT(OG_STATE_DONE) | ENDS_EARLY, OG_EXIT_INTERNAL},
	[OG_STATE_DONE] = {"done", 0, OG_EXIT_ANSWERED},
	[OG_STATE_FAILED] = {"failed", 0, OG_EXIT_FAILED},
	[OG_STATE_CANCELLED] = {"cancelled", 0, OG_EXIT_CANCELLED},
	[OG_STATE_EXPIRED] = {"expired", 0, OG_EXIT_EXPIRED},
	[OG_STATE_DEAD] = {"dead", 0, OG_EXIT_FAILED},
	[OG_STATE_BUSY] = {"busy", 0, OG_EXIT_BUSY},
	[OG_STATE_NO_CAPACITY] = {"no_capacity", 0, OG_EXIT_NO_CAPACITY},
};

const char *og_class_name(enum og_class c)
{
	return class_names[c];
}

int og_class_parse(const char *name, enum og_class *ret, struct og_error *err)
{
	for (int c = 0; c < OG_CLASSES; c++)
		if (!strcmp(name, class_names[c])) {
			*ret = (enum og_class)c;
			return 0;
		}
	return og_fail(err, OG_INVALID, "'%.64s' is no class (high, normal, batch)", name);
}

const char *og_state_name(enum og_state s)
{
	return states[s].name;
}

int og_state_parse(const char *name, enum og_state *ret, struct og_error *err)
{
	for (int s = 0; s < OG_STATES; s++)
		if (!strcmp(name, states[s].name)) {
			*ret = (enum og_state)s;
			return 0;
		}
	return og_fail(err, OG_INVALID, "'%.64s' is no state of a job", name);
}

bool og_state_terminal(enum og_state s)
{
	return !states[s].followers;
}

bool og_state_may_follow(enum og_state from, enum og_state to)
{
	return states[from].followers & BIT(to);
}

enum og_exit og_state_exit(enum og_state s)
{
	return states[s].exit;
}
