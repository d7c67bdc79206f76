/* count.h - which moments of a task's life are counted in the stats. */
#ifndef FLEET_COUNT_H
#define FLEET_COUNT_H

#include "fleet/task.h"

/* Its last byte may leave now: how long the mail had waited when the provider got it. */
void count_wait(const struct task *t);
/* An attempt has ended, with this provider; one of a worker that died has no duration. */
void count_attempt(const struct task *t, const char *provider);
/* The claim is settled. A mail is counted here and nowhere else, for only one settle of its last claim succeeds: not
 * when its status is written, which a successor may find and write no more. */
void count_mail(const struct task *t);

#endif
