/* topology.h - the way to Redis, whatever it is: one server, a master that Sentinels know, a cluster.
 *
 * A command goes to the server that has its first key. The link's contract holds (link.h): each
 * command is answered exactly once, LINK_LOST and LINK_AGAIN leave it to the sender to ask again, and
 * whoever is answered LINK_LOST cannot send there again from within that call. Sending costs no more
 * than link_send where there is one server. In a cluster the keys of a command must be of one slot. */
#ifndef REDIS_TOPOLOGY_H
#define REDIS_TOPOLOGY_H

#include <ev.h>
#include <stdbool.h>

#include "base/attr.h"
#include "redis/command.h"
#include "redis/link.h"
#include "redis/topology_config.h"
#include "redis/waiting.h"

struct topology;

/* Connects by itself. on_change: whether any server can be asked, told of each change from the loop,
 * never from within topology_open or topology_close. config is copied. */
struct topology *topology_open(struct ev_loop *loop, const struct topology_config *config,
                               void (*on_change)(void *data, bool up), void *data) MUST_CHECK;
/* Answers LINK_LOST to what is in flight, then frees. Its lines must be closed before. Not to be called
 * from within a callback of a topology. */
void topology_close(struct topology *t);

bool topology_up(const struct topology *t); /* some server can be asked */
/* Can the server of this key be asked now? */
bool topology_serves(const struct topology *t, const char *key);
/* Another number each time that the server which has the key is another one, or was away: whoever holds
 * leases there renews them first of all. 0: it was never there. */
unsigned topology_life(const struct topology *t, const char *key);
/* Grows each time that any server comes up: whoever looks at the servers' settings looks again. */
unsigned topology_lives(const struct topology *t);
/* Keys of which one command may take several: those of one slot. Always 0 where there is one server. */
unsigned topology_slot(const struct topology *t, const char *key);
bool topology_has_slots(const struct topology *t);

/* As link_send. */
bool topology_send(struct topology *t, struct command *c, int deadline_ms, link_fn *fn,
                   void *data) MUST_CHECK;
/* The same, and right behind it on the same connection the questions how far it has got (waiting.h). */
bool topology_send_waiting(struct topology *t, struct command *c, const struct waiting *w, link_fn *fn,
                           void *data) MUST_CHECK;
/* To every server that is up, for a command without a key; fn is called once for each. */
void topology_send_everywhere(struct topology *t, struct command *c, link_fn *fn, void *data);

/* Of the connections to all servers together (without the lines). */
void topology_stats(const struct topology *t, struct link_stats *out);

/* A connection of its own for commands that block, one at a time: it is always made to the server that has
 * the key. (In a cluster LINK_AGAIN may come while it stays up: do not ask again at once.) */
struct topology_line;
struct topology_line *topology_line_open(struct topology *t, const char *key) MUST_CHECK;
void topology_line_close(struct topology_line *l); /* as link_close */
bool topology_line_up(const struct topology_line *l);
bool topology_line_send(struct topology_line *l, struct command *c, int deadline_ms, link_fn *fn,
                        void *data) MUST_CHECK;

#endif
