/* ending.h - how a claim ends: what was decided is written to the mail's status (finish), told to
 * who wants to know of it (notify), and settles the claim.
 *
 * Each of these ends in one event of task.h: TASK_ON_FINISHED, TASK_ON_NOTIFIED or TASK_ON_SETTLED. */
#ifndef FLEET_ENDING_H
#define FLEET_ENDING_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "fleet/task.h"

/* Writes the status by t->decision. */
void ending_finish(struct task *t);
/* Settles by t->decision. Who is to be told of a mail is told first: what is settled is forgotten. */
void ending_settle(struct task *t);
/* The same, and the status stays as it is. */
void ending_settle_only(struct task *t, enum settle_action action, int64_t at);
/* Is somebody to be told of t->decision? Then that is on its way. */
bool ending_notify(struct task *t);

/* t->decision and t->outcome: failed for a reason that is not a provider's, and buried. */
void ending_decide_failed(struct task *t, const char *code, const char *text);
void ending_fail(struct task *t, const char *code, const char *text); /* and writes it */
/* The same of a mail that may have been tried: held, when nobody knows what came of that. */
void ending_give_up(struct task *t, const char *code, const char *text);

/* The status (t->verdict_text) was written by an earlier claim, which died before it settled: the event says
 * what is known of it. */
void ending_decide_written(struct task *t, enum settle_action action, int64_t at);
/* After TASK_ON_PEEKED, and by a verdict later on: an earlier claim has written what became of it, or when it is due, and
 * died before it settled: that is settled now; or a newer claim has it, and this one is dropped. False: none of these. */
bool ending_written(struct task *t) MUST_CHECK;

#endif
