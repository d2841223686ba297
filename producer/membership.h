/* The services that make this machine's nodes members of clusters. */
#ifndef OG_MEMBERSHIP_H
#define OG_MEMBERSHIP_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "model/settings.h"

/* A worker's service file: it makes a node a member of a cluster, where it serves or is a peer. */
struct og_membership {
	char *path, *service, *cluster, *node;
	bool serve;
};
struct og_memberships {
	struct og_membership *items;
	size_t n;
};

/* Of all the nodes of this root; of those in `cluster` where it is not NULL, and of the node alone that NODE_NAME
 * names, if it does. A file that cannot be read is an error. */
int og_memberships_load(
	const struct og_settings *s, const char *cluster, struct og_memberships *ret, struct og_error *err);
/* The same of those that were ended (og_membership_leave) and not begun again. */
int og_memberships_left(
	const struct og_settings *s, const char *cluster, struct og_memberships *ret, struct og_error *err);
/* The identity of `node`, as a service file calls it: ret->name is what people see, also where nobody chose a name. */
int og_membership_id(const struct og_settings *s, const char *node, struct og_node_id *ret, struct og_error *err);
void og_memberships_done(struct og_memberships *m);

/* Writes the service file by which this node is a member of `cluster`, and serves there if node.serve says so; in the
 * place of `existing` where that is not NULL. The supervisor sees it when it reloads. */
int og_membership_write(
	const struct og_settings *s, const char *cluster, const struct og_membership *existing, struct og_error *err);

/* Puts the service file aside, where og_memberships_left finds it: the node comes back as what it was. *ret is where it lies now; the
 * caller frees. */
int og_membership_leave(const struct og_settings *s, const struct og_membership *m, char **ret, struct og_error *err);
/* Puts one that was put aside back in its place, and m->path is there. INVALID: another one is there now. */
int og_membership_return(const struct og_settings *s, struct og_membership *m, struct og_error *err);

#endif
