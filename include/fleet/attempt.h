/* attempt.h - the attempt of a task: its mail in the hands of one provider, and what follows from how
 * it ended.
 *
 * A claim makes at most one. The provider raises TASK_ON_READY when it holds all but the last byte, and
 * TASK_ON_DONE, with t->outcome and t->took_us filled, when it is over. */
#ifndef FLEET_ATTEMPT_H
#define FLEET_ATTEMPT_H

#include "fleet/task.h"

/* Gives the mail to the provider of t->gate. Its events may come before this returns. */
void attempt_start(struct task *t);

/* Takes it back before its last byte has left: nothing has happened there. Says nothing of it to the
 * breaker, where withdraw reports a permit that was not used. Both may be called without an attempt. */
void attempt_abandon(struct task *t);
void attempt_withdraw(struct task *t);

/* Abandons it and frees what it needed. */
void attempt_free(struct task *t);

/* t->outcome is how it ended at this provider (which need not be t->gate's: an earlier claim may have
 * made the attempt): decides what follows (t->decision, t->history, t->recipients), tells the
 * breaker, logs it, counts it. */
void attempt_ended(struct task *t, const char *provider);

/* t->decision says that the mail fails. When some of its recipients have it, from this attempt or an earlier
 * one, it is sent, and `recipients` says who has not. */
void attempt_failed(struct task *t);

#endif
