/* Questions to the leading scheduler, again and again, until the user has seen enough: what lives on a terminal, or
 * follows changes. One connection; a round begins when the last one was answered and the period is over. */
#ifndef OG_POLL_H
#define OG_POLL_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "cli.h"

#define OG_POLL_VERBS_MAX 4

struct og_poll {
	struct og_cli *cli;
	const char *verbs[OG_POLL_VERBS_MAX];
	json_t *bodies[OG_POLL_VERBS_MAX]; /* borrowed; NULL: an empty object */
	size_t n;
	int64_t period_ms;
	/* A round's answers, in the order of the verbs, borrowed. False: it is over, and ends with *ret. */
	bool (*on_answers)(void *ctx, json_t *const *answers, enum og_exit *ret);
	/* Nobody answers at the moment, or somebody does again (NULL). It may be NULL itself: then nothing is told. */
	void (*on_away)(void *ctx, const char *why);
	/* stdin can be read, or the window has another size. False: it is over. NULL: nobody types. */
	bool (*on_input)(void *ctx, bool resized);
	void *ctx;
};

/* Until a callback ends it, Ctrl-C does (then ANSWERED: that is how one leaves), or it fails: no broker, or the
 * scheduler refuses the question. Then err->kind is not 0, and the caller tells it, when the terminal is itself again. */
enum og_exit og_poll_run(const struct og_poll *poll, struct og_error *err);

#endif
