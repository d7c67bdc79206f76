/* queue.h - one queue as a worker sees it: its doorbell, its claims, its leases, its settles.
 *
 * Waiting without polling: while the list is empty, one connection of the queue blocks in
 * BLMOVE list → arrivals. The doorbell only moves the job; claim.lua takes it. A claim is made when
 * there are free slots and something may be there: after the doorbell, while claims come back full,
 * when a delayed job or an expired lease comes due, and at least every third of a lease.
 *
 * A claim asks for no more than will be answered in one piece, so that the worker and Redis work at the same
 * time: while one has a claim in its hands, the other has what came of the one before.
 *
 * Leases are renewed at half their life, in the claim call. A queue whose claim fails for a reason
 * of its own (a key of the wrong type) is left alone for a while; the others go on. */
#ifndef FLEET_QUEUE_H
#define FLEET_QUEUE_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/options.h"
#include "fleet/doorbell.h"
#include "fleet/redis_clock.h"
#include "fleet/stats.h"
#include "fleet/task.h"
#include "redis/command.h"
#include "redis/keys.h"
#include "redis/topology.h"

#define QUEUE_MAX_BATCH 256
#define QUEUE_MIN_APPETITE 8
#define QUEUE_MAX_CLAIM_BYTES (8 * 1024 * 1024)
/* Redis writes 64 KB of an answer, and serves others before it goes on: what those calls of ours have led to would
 * wait behind the rest of the claim, and the worker with it, and then Redis for the worker. */
#define QUEUE_CLAIM_BYTES (60 * 1024)
#define QUEUE_MIN_CLAIM 16 /* jobs, however large: Redis may be far away */
#define QUEUE_HOLD_US 1000000 /* the pause after Redis has refused a write */
#define QUEUE_POISON_AFTER 3 /* adoptions */

struct queue {
	struct worker *worker;
	struct ev_loop *loop;
	const struct options *options;
	struct topology *redis;
	struct redis_clock clock; /* of the server that has the queue */
	unsigned life;            /* of that server, when it was last asked */
	struct queue_keys keys;
	struct stats_row *stats; /* the worker's */
	long weight;
	size_t places;       /* of its own; 0: it shares those of CONCURRENCY by its weight */
	struct doorbell doorbell;
	bool paused;         /* by mail:control */
	bool draining;       /* claims nothing more */
	bool dry;            /* the last claim came back short: nothing to take without a reason */
	bool claiming;       /* a claim is on its way */
	bool hungry;         /* queue_hungry, as the worker asked in this turn */
	size_t asked;        /* for how many jobs */
	size_t appetite;     /* for how many at most the next claim asks */
	size_t renewing;     /* how many renewals it carries */
	int64_t asked_at;    /* boot clock, µs */
	size_t waiting;      /* what claim.lua said is left */
	bool waiting_known;
	int64_t broken_until; /* boot clock, µs */
	int64_t wake_at;     /* boot clock, µs: due time of a delayed job, or a lease's end; 0 none */
	int64_t tick_at;     /* boot clock, µs: a claim is made then in any case */
	int64_t tick_us;     /* a third of a lease; less when it watches_end */
	bool watches_end;    /* --drain */
	int64_t sweep_at;    /* boot clock, µs */
	struct task_list tasks; /* the oldest lease first */
	size_t n_tasks;
	size_t n_suspects;   /* of these; claim.lua gives no second one */
	struct task_list settling; /* settle.h's outbox */
	size_t n_settling;
	size_t settles_in_flight; /* tasks */
	int64_t hold_until;  /* boot clock, µs: Redis refuses writes */
	ev_timer timer;
	struct command command;
};

/* NULL: the name is not one. */
struct queue *queue_new(struct worker *w, struct ev_loop *loop, const char *name, long weight, const struct options *o,
                        struct topology *redis, struct error *err) MUST_CHECK;
void queue_free(struct queue *q); /* frees the tasks it still has, too */

void queue_remove(struct queue *q, struct task *t); /* the claim is over */

/* May it have something to take now? Not while its server is away. */
bool queue_hungry(const struct queue *q);
/* Once per turn of the loop: claims up to `slots` jobs, renews, settles, rings; nothing while its
 * server is away. When that is back, every lease is renewed first of all. */
void queue_flush(struct queue *q, size_t slots);
/* For --drain, which ends when nothing waits any more: asks at once whether that is so, then after
 * pauses that grow to a tenth of a second; and anew whenever the worker has nothing in its hands. */
void queue_watch_end(struct queue *q);
/* Stops claiming and blocking. */
void queue_drain(struct queue *q);

/* A command that asks whether the job of an owner ("<queue>#<id>") is still in its queue's jobs. */
void queue_command_exists(struct command *c, const char *owner);

#endif
