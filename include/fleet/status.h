/* status.h - the worker's hand on the mails' statuses: peek, begin, finish, and the question whether
 * a rival's job still exists.
 *
 * Tasks are put into outboxes and go out together, at the end of a turn of the loop, at most
 * STATUS_MAX_BATCH a call. While a call of a step is on its way, the next one waits and grows, so
 * that Redis sees few large calls under load, and at low load each mail at once. (On a cluster a call
 * can only take mails of one slot, which are few: there all that is ready goes out in each turn,
 * slot by slot; a mail whose node is away waits, and nobody waits for it.) A task whose call was lost or refused goes back to its outbox: the
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

enum status_step { STATUS_PEEK, STATUS_ASK, STATUS_BEGIN, STATUS_FINISH, STATUS_STEPS };

struct status {
	const struct options *options;
	struct task_list outbox[STATUS_STEPS];
	size_t n[STATUS_STEPS];
	size_t in_flight[STATUS_STEPS]; /* calls */
	int64_t hold_until; /* boot clock, µs: Redis refuses writes; begin and finish wait */
	struct command command; /* scratch */
};

void status_init(struct status *s, const struct options *o);
void status_free(struct status *s); /* the outboxes must be empty */

/* Puts a task into the outbox of a step. */
void status_ask(struct status *s, enum status_step step, struct task *t);
/* Takes it out again; it must be in that outbox. */
void status_leave(struct status *s, enum status_step step, struct task *t);

void status_flush(struct status *s, struct topology *redis);

#endif
