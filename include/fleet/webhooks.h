/* webhooks.h - the webhooks of one worker: their rules, their queue, the way to their endpoints.
 *
 * A webhook is a job of its own, in a queue of its own (mail:webhooks), claimed, settled and swept by
 * the same scripts as mail, with leases of the same kind. So it outlives whoever was to deliver it,
 * and mail never waits for it: it has its own places (WEBHOOK_CONCURRENCY). notify.c makes them,
 * webhook.c delivers one. Without WEBHOOK_SECRET all of this is off.
 *
 * An endpoint that answers 410 is disabled: its URL is kept in {mail:webhooks}:disabled, nothing is
 * sent there and nothing put into the queue for it, until a dead letter that was retried reaches it. */
#ifndef FLEET_WEBHOOKS_H
#define FLEET_WEBHOOKS_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/error.h"
#include "base/options.h"
#include "fleet/endpoint.h"
#include "fleet/notify.h"
#include "fleet/task.h"
#include "provider/http_client.h"
#include "provider/webhook_rules.h"
#include "redis/topology.h"

#define WEBHOOKS_MAX_DISABLED 10000 /* endpoints; those disabled first are forgotten */

struct webhooks {
	const struct options *options;
	struct webhook_rules rules;
	struct queue *queue;           /* the worker's; NULL: off */
	struct http_client *https, *http;
	struct endpoints endpoints;
	struct notify notify;
	struct topology *redis;
	char *disabled_key;
	struct task_list asking;       /* whose endpoint may be disabled: to be asked */
	struct command command;
};

/* Reads the rules. False: an option is wrong. */
bool webhooks_init(struct webhooks *w, const struct options *o, struct error *err) MUST_CHECK;
/* queue: mail:webhooks; NULL when there is no secret. */
bool webhooks_open(struct webhooks *w, struct ev_loop *loop, struct queue *queue, struct topology *redis,
                   struct error *err) MUST_CHECK;
/* When the queue's tasks are gone. May be called on what was not opened. */
void webhooks_free(struct webhooks *w);

void webhooks_reload(struct webhooks *w); /* reads the secrets anew, after options_forget */
void webhooks_flush(struct webhooks *w);  /* once per turn of the loop */

/* Is the endpoint of this webhook disabled? TASK_ON_ASKED follows, and t->webhook knows. */
void webhooks_ask(struct webhooks *w, struct task *t);
void webhooks_disable(struct webhooks *w, const char *url);
void webhooks_enable(struct webhooks *w, const char *url);

#endif
