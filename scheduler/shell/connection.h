/* The consuming connections of a term: each reconnects by itself; what it held is then requeued, which on_lost is
 * told. */
#ifndef OG_SCHEDULER_CONNECTION_H
#define OG_SCHEDULER_CONNECTION_H

#include "shell/scheduler.h"

int og_connection_open(
	struct og_scheduler *s, struct og_connection *c, const char *name, og_lost_cb *on_lost, struct og_error *err);
void og_connection_close(struct og_connection *c); /* on_lost is not called */

/* Says once why a connection cannot be made, and what to do about it. */
void og_connection_complain(bool *complained, const char *name, const struct og_error *why);

#endif
