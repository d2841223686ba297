/* Who else is in the cluster, from what the leader tells when it changes. Pure. */
#ifndef OG_WORKER_PEERS_H
#define OG_WORKER_PEERS_H

#include <stdbool.h>
#include <stddef.h>

#include "model/presence.h"

struct og_peers {
	/* Of the others, sorted; a name that several nodes have is followed by the start of the node's id. */
	char **names;
	size_t n;
	size_t untold; /* others that the message did not name */
	bool namesake; /* another node has our name */
};

/* Takes the news in. True: the others, or whether one has our name, are not what they were. */
bool og_peers_hear(struct og_peers *p, const char *self_id, const char *self_name, const struct og_member *members,
	size_t n, size_t count);
char *og_peers_text(const struct og_peers *p); /* "[NodeA, NodeB]"; the caller frees */
void og_peers_done(struct og_peers *p);

#endif
