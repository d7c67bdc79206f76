/* cluster.h - Redis Cluster: commands that find their way to whoever serves their slot (cluster_slots.h).
 *
 * MOVED, ASK, TRYAGAIN and CLUSTERDOWN mean that the command was not executed: it is sent again from here,
 * for as long as its deadline lasts, so that a user sees nothing of slots that move; after that it is
 * answered LINK_AGAIN. Everything else is the link's (link.h), node by node. For topology.c. */
#ifndef REDIS_CLUSTER_H
#define REDIS_CLUSTER_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "redis/command.h"
#include "redis/link.h"
#include "redis/topology_config.h"
#include "redis/waiting.h"

#define CLUSTER_REFRESH_MS 10000
#define CLUSTER_IDLE_MS 60000 /* a node without slots is forgotten after so long */

struct cluster_events {
	void (*changed)(void *data, bool up); /* whether any node can be asked */
	void (*moved)(void *data);            /* some slot may be elsewhere now */
};

struct cluster;
/* config, events outlive it. Nothing is told before the loop runs. */
struct cluster *cluster_open(struct ev_loop *loop, const struct topology_config *config,
                             const struct cluster_events *events, void *data) MUST_CHECK;
void cluster_close(struct cluster *c); /* answers LINK_LOST to what is in flight */

bool cluster_up(const struct cluster *c);
void cluster_stats(const struct cluster *c, struct link_stats *out); /* topology_stats */
bool cluster_serves(const struct cluster *c, unsigned slot);
unsigned cluster_life(const struct cluster *c, unsigned slot);  /* topology_life */
unsigned cluster_lives(const struct cluster *c);                /* topology_lives */
/* Where the slot is, as far as is known. host stays the cluster's. */
bool cluster_where(const struct cluster *c, unsigned slot, const char **host, int *port) MUST_CHECK;

/* As topology_send_waiting; w NULL: as topology_send. */
bool cluster_send(struct cluster *c, struct command *command, int deadline_ms, const struct waiting *w,
                  link_fn *fn, void *data) MUST_CHECK;
void cluster_send_everywhere(struct cluster *c, struct command *command, link_fn *fn, void *data);
/* An error that somebody got over a connection of his own to host. */
void cluster_told(struct cluster *c, const char *host, const redisReply *error);

#endif
