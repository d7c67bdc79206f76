/* lag.h - how far the archivers (archive/archive.h) of one queue's events are behind, as lag.lua tells it. */
#ifndef FLEET_LAG_H
#define FLEET_LAG_H

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stdint.h>

#include "redis/command.h"
#include "redis/keys.h"

#define LAG_GROUP "postrider-archive" /* the archivers' consumer group */

struct lag {
	bool known;        /* false: no archiver has ever read them */
	int64_t waiting;   /* entries that nobody has read */
	int64_t pending;   /* read, but not acknowledged */
	int64_t oldest_at; /* when the oldest of all these was written, ms; 0: there are none */
	int64_t archived, skipped, lost; /* since the first archiver */
	int64_t archivers; /* alive */
};

void lag_ask(struct command *c, const struct queue_keys *keys);
void lag_take(struct lag *lag, const redisReply *reply);
int64_t lag_ms(const struct lag *lag, int64_t now); /* now: Redis's clock, ms. 0: nothing waits */

#endif
