/* ack.h - has what was just written arrived where it must (ACK_REPLICAS, ACK_FSYNC)?
 *
 * ACK_REPLICAS=n: n replicas have it (WAIT). ACK_FSYNC=1: it is in the append-only file on the master's disk
 * (WAITAOF, Redis 7.2 and later). Where the server has no WAITAOF, or no append-only file, the promise
 * cannot be kept, and nothing is ever said to be: the API answers 503 to every post, /readyz, too, and says in
 * the log what to change. */
#ifndef API_ACK_H
#define API_ACK_H

#include <stdbool.h>

#include "base/attr.h"
#include "base/options.h"
#include "redis/command.h"
#include "redis/topology.h"

/* Told once. LINK_OK: it is written, and where it must be. LINK_REFUSED: Redis refuses writes, or too few have it. */
typedef void ack_fn(void *data, enum link_result result);

/* Sends a write, and right behind it on the same connection what must be asked (redis/waiting.h). key: the write's, for
 * the log. False: Redis is away, nothing was sent, and fn will not be called. */
bool ack_send(struct topology *redis, const struct options *o, struct command *write, const char *key,
              ack_fn *fn, void *data) MUST_CHECK;

#endif
