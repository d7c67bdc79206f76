/* settle.h - the ends of claims (settle.lua): acknowledged, kept, put off, buried.
 *
 * A queue's outbox: what is decided in one turn of the loop goes in one call. A call whose answer was lost is
 * repeated; the token makes that harmless. Each task hears TASK_ON_SETTLED, and its verdict says whether the
 * claim was still ours. */
#ifndef FLEET_SETTLE_H
#define FLEET_SETTLE_H

#include <stdbool.h>

#include "base/attr.h"
#include "fleet/queue.h"
#include "fleet/task.h"

void settle_add(struct queue *q, struct task *t); /* into the outbox; t->decision says how */
/* One call for the first of them. False: it did not go out, and for now no other will. */
bool settle_flush(struct queue *q) MUST_CHECK;

#endif
