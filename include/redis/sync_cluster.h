/* sync_cluster.h - blocking commands to Redis Cluster: one sync a node. For sync.c.
 *
 * Goes where it is sent: to whichever node answers first, and then to where MOVED and ASK say, which it
 * remembers. A one-shot command asks little, so it does not fetch the map first. */
#ifndef REDIS_SYNC_CLUSTER_H
#define REDIS_SYNC_CLUSTER_H

#include <hiredis/hiredis.h>
#include <stdbool.h>

#include "base/attr.h"
#include "base/error.h"
#include "redis/command.h"
#include "redis/topology_config.h"

struct sync_cluster;

/* NULL: err, of the last of the nodes that do not answer. */
struct sync_cluster *sync_cluster_open(const struct topology_config *config, struct error *err) MUST_CHECK;
void sync_cluster_close(struct sync_cluster *c);

/* The reply, also an error reply; NULL: err, a node that has the key cannot be reached. A command
 * without a key (WAIT) goes to the node that was asked last. */
redisReply *sync_cluster_run(struct sync_cluster *c, struct command *command, struct error *err) MUST_CHECK;
bool sync_cluster_lost(const struct sync_cluster *c) MUST_CHECK;

#endif
