/* Whether this node is seen in its cluster: what "joined" means to everybody else. */
#ifndef OG_JOINED_H
#define OG_JOINED_H

#include "cli.h"

#define OG_HEARD_MS   15000 /* a standby takes over within 5 s, and presence comes every 2 s */
#define OG_SERVING_MS 60000 /* an engine loads its model first */

/* Waits until the scheduler of `cluster` hears the node of that name (of this root), and where `serve` hears it serve; tells what it waits for. A node
 * that does not serve in time is told of as such, and is no error: it is a peer. NOT_CONNECTED: not heard at all. */
enum og_exit og_joined_wait(struct og_cli *c, const char *cluster, const char *node, bool serve);

/* The names of this machine's nodes that should serve in the configured cluster and that `peers` (the RPC's answer; NULL:
 * nobody answered) does not show serving, ", " between; "" where all do. The caller frees. */
int og_joined_idle(const struct og_settings *s, const json_t *peers, char **ret, struct og_error *err);

/* Whether `peers` (as above) tells of nodes, all of them, of which none serves. */
bool og_joined_nobody_serves(const json_t *peers);

/* The ids of this machine's nodes in the configured cluster (of that alone which NODE_NAME names, if it does), commas
 * between; "" where it has none. The caller frees. */
int og_joined_ids(const struct og_settings *s, char **ret, struct og_error *err);

#endif
