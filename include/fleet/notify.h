/* notify.h - tells webhooks what became of mails: for each a job is put into the webhooks' queue.
 *
 * That is done when the mail's status is written, and before its claim is settled: a worker that dies
 * between leaves the claim to another one, which tells again. So whatever is settled was told, at
 * least once; but where the webhooks' queue cannot be written to at all (another type, no right), the log
 * says webhooks_lost, and mail is settled all the same. How the webhook is delivered is webhook.c's business, and no mail waits for that. */
#ifndef FLEET_NOTIFY_H
#define FLEET_NOTIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fleet/task.h"
#include "provider/webhook_rules.h"
#include "redis/command.h"
#include "redis/topology.h"

struct notify {
	const struct webhook_rules *rules;
	struct queue *queue;      /* the webhooks'; NULL: nobody is told anything */
	char *disabled_key;
	struct task_list outbox;
	size_t n;
	size_t in_flight;         /* calls */
	int64_t hold_until;       /* boot clock, µs: Redis refuses writes */
	bool warned;              /* that a webhookUrl is ignored */
	struct command command;
};

void notify_init(struct notify *n, const struct webhook_rules *rules, struct queue *queue, const char *disabled_key);
void notify_free(struct notify *n); /* the outbox must be empty */

/* Is somebody to be told of t->decision who was not yet (t->notified)? Never of a webhook. */
bool notify_wants(struct notify *n, const struct task *t);
/* Into the outbox. TASK_ON_NOTIFIED follows when it is told. */
void notify_mail(struct notify *n, struct task *t);

void notify_flush(struct notify *n, struct topology *redis); /* once per turn of the loop */

#endif
