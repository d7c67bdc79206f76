/* waiting.h - a write, and right behind it on the same connection the questions how far it has got.
 *
 * WAIT and WAITAOF speak of the writes of the connection that asks, and of its server's: so they go the
 * very way of the write, also on a cluster. Nothing else passes on that connection meanwhile. */
#ifndef REDIS_WAITING_H
#define REDIS_WAITING_H

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "redis/command.h"
#include "redis/link.h"

/* What is asked. A question whose function is NULL is not. */
struct waiting {
	int64_t replicas;     /* have so many replicas it? (WAIT) */
	int replicas_ms;      /* how long that may take */
	link_fn *on_replicas; /* told how many have */
	int disk_ms;          /* is it in the append-only file on the master's disk? (WAITAOF, from 7.2 on) */
	link_fn *on_disk;     /* told [on so many masters' disks: 0 or 1, on so many replicas'] */
};

/* As link_send; an answer to a question may take timeout_ms longer than the question says. When it returns
 * true, each function that is given is called exactly once: fn first, then those of the questions, with the
 * answer or with whatever has become of the question. */
bool waiting_send(struct link *l, struct command *c, int deadline_ms, int timeout_ms,
                  const struct waiting *w, link_fn *fn, void *data) MUST_CHECK;

/* Of on_replicas: did at least so many answer that they have it? */
bool waiting_has_replicas(enum link_result result, const redisReply *reply, int64_t replicas);

#endif
