/* cluster_slots.h - who serves which slot of a Redis Cluster: the map of the slots, and a link to each node.
 *
 * The map is asked for (CLUSTER SLOTS) over a connection of its own, the scout, of any node that answers: at the
 * start, when a node says that a slot has moved, some times a second while a master cannot be reached, and else
 * every CLUSTER_REFRESH_MS. A MOVED is believed at once. For cluster.c. */
#ifndef REDIS_CLUSTER_SLOTS_H
#define REDIS_CLUSTER_SLOTS_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/attr.h"
#include "redis/cluster.h"
#include "redis/link.h"
#include "redis/topology_config.h"

struct cluster_slots;

struct cluster_node {
	TAILQ_ENTRY(cluster_node) entry;
	struct cluster_slots *of;
	struct topology_seed at;
	struct link *link;
	unsigned life;  /* when it last came up; 0 never */
	unsigned slots; /* how many it has */
	int64_t since_us;
	int64_t used_us; /* mono clock: when it was last asked; whoever asks sets it */
};

/* config, events outlive it. */
struct cluster_slots *cluster_slots_open(struct ev_loop *loop, const struct topology_config *config,
                                         const struct cluster_events *events, void *data) MUST_CHECK;
/* Closes the links: what is in flight is answered LINK_LOST. */
void cluster_slots_close(struct cluster_slots *s);

bool cluster_slots_up(const struct cluster_slots *s); /* any node that has slots */
unsigned cluster_slots_lives(const struct cluster_slots *s);
void cluster_slots_stats(const struct cluster_slots *s, struct link_stats *out);
/* NULL: not known. The node stays until the loop runs again, and for as long as it has slots or work. */
struct cluster_node *cluster_slots_node(const struct cluster_slots *s, unsigned slot) MUST_CHECK;
/* Calls fn for each node that is up. */
void cluster_slots_each(struct cluster_slots *s, void (*fn)(struct cluster_node *n, void *data), void *data);

/* Takes in an error that a node at `host` has answered. The node that is to be asked once (ASK), or NULL: whoever has
 * the slot, also when it was no redirection. */
struct cluster_node *cluster_slots_redirect(struct cluster_slots *s, const char *host, const redisReply *error);

/* While it is held, no node is forgotten. */
void cluster_slots_hold(struct cluster_slots *s, bool held);

#endif
