/* cluster.h - Redis Cluster: three masters, each with a replica, on free ports of the loopback. */
#ifndef SUPPORT_CLUSTER_H
#define SUPPORT_CLUSTER_H

#include <stdbool.h>

#include "base/attr.h"
#include "support/redis_server.h"

#define CLUSTER_MASTERS 3
#define CLUSTER_NODES 6

struct cluster_world;

/* Made by redis-cli --cluster create. Nodes are not taken for dead, however slow the machine is, until cluster_kill. */
struct cluster_world *cluster_start(void) MUST_CHECK;
/* With more arguments for each redis-server (NULL-terminated; NULL none). */
struct cluster_world *cluster_start_with(const char *const *extra_args) MUST_CHECK;
void cluster_free(struct cluster_world *c); /* NULL is fine */

const char *cluster_url(const struct cluster_world *c); /* redis+cluster://… of two nodes */
struct redis_server *cluster_node(const struct cluster_world *c, int i);
/* The others notice after two seconds, and its replica takes over; redis_server_run brings it back. None may be dead already. */
void cluster_kill(const struct cluster_world *c, int i);
/* The node that has the slot of the key, by what the node `asked` knows. */
int cluster_owner(const struct cluster_world *c, int asked, const char *key);
/* Gives the slot of the key, which must be empty, from one master to another. Others hear of it later. */
void cluster_move_slot(const struct cluster_world *c, const char *key, int from, int to);
/* redis-cli --cluster reshard: n slots from one master to another, while everything goes on. */
struct process *cluster_reshard(const struct cluster_world *c, int from, int to, int n) MUST_CHECK;
/* Waits for its end, which must be a good one, and frees it. */
void cluster_reshard_end(struct process *reshard);

#endif
