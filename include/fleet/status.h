/* status.h - the worker's hand on the mails' statuses: peek, begin, finish, and the question whether
 * a rival's job still exists.
 *
 * Tasks are put into outboxes and go out together, at the end of a turn of the loop, at most
 * STATUS_MAX_BATCH a call. While a call of a step is on its way, the next one waits and grows, so
 * that Redis sees few large calls under load, and at low load each mail at once. (On a cluster a call
 * can only take mails of one slot, which are few: there all that is ready goes out in each turn,
 * slot by slot; a mail whose node is away, or refuses, waits, and nobody waits for it.) A task whose call was lost or refused goes back to its outbox: the
 * scripts are fenced by the token, so asking again is harmless. The answer is in the task (verdict,
 * verdict_text, history …) when its event is raised. */
#ifndef FLEET_STATUS_H
#define FLEET_STATUS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "base/options.h"
#include "fleet/task.h"
#include "redis/command.h"
#include "redis/topology.h"

#define STATUS_MAX_BATCH 256
#define STATUS_MAX_HOLDS 64 /* servers of a cluster; with more that refuse, some are asked more often */
#define STATUS_FENCE_HOLD_MS 1000
#define STATUS_FENCE_HOLD_MAX_MS 30000

enum status_step { STATUS_PEEK, STATUS_ASK, STATUS_BEGIN, STATUS_FINISH, STATUS_STEPS };

/* A server has refused a step: on that one, the step waits. */
struct status_hold {
	unsigned life; /* which server: topology_life */
	int64_t until; /* boot clock, µs */
};

struct status {
	const struct options *options;
	struct task_list outbox[STATUS_STEPS];
	size_t n[STATUS_STEPS];
	size_t in_flight[STATUS_STEPS]; /* calls */
	struct status_hold holds[STATUS_STEPS][STATUS_MAX_HOLDS];
	int64_t fence_ms;    /* replicas were missing: how long nothing is begun (it doubles); 0 all is well */
	int64_t fence_until; /* boot clock, µs */
	bool fence_probing;
	struct command command; /* scratch */
};

void status_init(struct status *s, const struct options *o);
void status_free(struct status *s); /* the outboxes must be empty */

/* Puts a task into the outbox of a step. */
void status_ask(struct status *s, enum status_step step, struct task *t);
/* Takes it out again; it must be in that outbox. */
void status_leave(struct status *s, enum status_step step, struct task *t);

/* FENCE_REPLICAS: a begin is answered when so many replicas know of it, or may not; so is the finish of a mail whose last
 * byte has left, which is written again and again until they do, for some ten seconds.
 *
 * Too few replicas knew of the last begin. Until then (boot clock, µs; 0: all is well)
 * nothing is to be handed to a provider, which would see one broken-off mail after the other; after it one
 * mail, by status_fence_probe, to see whether they are back. */
int64_t status_fenced_until(const struct status *s);
void status_fence_probe(struct status *s);

void status_flush(struct status *s, struct topology *redis);

#endif
