/* doorbell.h - waits at an empty list without polling.
 *
 * A connection of its own blocks in BLMOVE list → arrivals. The doorbell moves the job, never holds it:
 * claim.lua takes it from arrivals, whoever comes first. It blocks for a bounded time, so that
 * nothing depends on it alone. */
#ifndef FLEET_DOORBELL_H
#define FLEET_DOORBELL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/options.h"
#include "redis/command.h"
#include "redis/keys.h"
#include "redis/topology.h"

struct doorbell {
	struct topology_line *line; /* NULL once it was closed */
	const struct queue_keys *keys;
	const struct options *options;
	bool ringing;       /* a BLMOVE waits */
	bool rang;          /* it moved something; whoever claims clears it */
	int64_t mute_until; /* boot clock, µs: Redis refused */
	struct command command;
};

void doorbell_open(struct doorbell *d, struct topology *redis, const struct queue_keys *keys,
                   const struct options *o);
void doorbell_close(struct doorbell *d); /* ends a BLMOVE that waits; may be called again */
/* Starts to wait, unless it waits already or cannot now. */
void doorbell_wait(struct doorbell *d);

#endif
