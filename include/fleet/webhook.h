/* webhook.h - one claimed webhook in the hands of this worker.
 *
 * It is a task (task.h), and goes a shorter way than a mail:
 *
 *    claimed ──▶ (peeking) ──▶ asking: is its endpoint disabled? ──▶ sending ──▶ (finishing) ──▶ settling
 *
 * One that its endpoint takes at the first attempt leaves nothing behind. Of any other there is a
 * status, mail:status:auto-<id>, as of a mail: attempts, error, next attempt. What is lost
 * with its worker is sent again. */
#ifndef FLEET_WEBHOOK_H
#define FLEET_WEBHOOK_H

#include <stddef.h>

#include "fleet/task.h"

struct webhook;

void webhook_parse(struct task *t, const char *payload, size_t len); /* makes t->webhook */
void webhook_free(struct webhook *w);                                /* breaks it off; NULL is fine */
void webhook_advance(struct task *t, enum task_event event);
const char *webhook_url(const struct webhook *w);
void webhook_set_disabled(struct webhook *w, bool disabled); /* before TASK_ON_ASKED */

#endif
