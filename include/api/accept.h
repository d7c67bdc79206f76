/* accept.h - takes mails in: their status first, then the list (two slots, two round trips).
 *
 * All that came in one turn of the loop goes out together: one accept.lua, then one LPUSH for each
 * queue. While an accept.lua is on its way, the next one waits and grows (on a cluster it takes the
 * mails of one slot, and nothing waits). A mail counts as taken only when Redis has acknowledged the push,
 * and with ACK_REPLICAS or ACK_FSYNC only when it is where it must be (ack.h); whoever dies
 * between the two leaves a status that is `queued` and unowned, and the client's repeat pushes it. What Redis has
 * not done is asked for again while the client waits (again.h). */
#ifndef API_ACCEPT_H
#define API_ACCEPT_H

#include <stdbool.h>
#include <stddef.h>

#include "api/again.h"
#include "api/post.h"
#include "base/options.h"
#include "redis/command.h"
#include "redis/topology.h"

#define ACCEPT_MAX_BATCH 256
#define ACCEPT_MAX_BYTES ((size_t)8 << 20) /* of payloads in one LPUSH, about */

struct accept {
	const struct options *options;
	struct again *again;
	struct post_list waiting;
	size_t n_waiting;
	bool asking;
	struct command command;
};

void accept_init(struct accept *a, const struct options *o, struct again *again);
void accept_free(struct accept *a);
void accept_add(struct accept *a, const struct topology *redis, struct post *p);
void accept_flush(struct accept *a, struct topology *redis); /* once per turn of the loop */

#endif
