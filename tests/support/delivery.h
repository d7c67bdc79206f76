/* delivery.h - a mail handed to a provider, and what the provider said of it.
 *
 * A test makes mails, sends them, runs the loop until something is true of them, and looks. What
 * the worker does at on_ready is chosen beforehand. */
#ifndef SUPPORT_DELIVERY_H
#define SUPPORT_DELIVERY_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "base/options.h"
#include "provider/provider.h"

/* What happens when the provider holds the last byte. */
enum when_ready {
	READY_RELEASE,
	READY_RELEASE_LATER, /* in a later turn of the loop */
	READY_HOLD,          /* the test decides */
	READY_ABANDON
};

struct mail {
	struct delivery delivery;
	struct provider *provider;
	struct job *job;
	enum when_ready when_ready;
	ev_timer later;
	unsigned ready, done; /* how often each was called */
	bool in_call;         /* a callback came from within a call: not allowed */
	bool released, abandoned;
	bool ready_when_done; /* done was called after ready */
	struct outcome outcome;
	char key[64], id[64];
	void (*on_done)(struct mail *m); /* NULL, or what the test wants to do there */
	void *data;
};

/* options with their defaults, from an empty environment as far as it matters. Free with
 * options_free. */
void delivery_options(struct options *o);

struct provider *delivery_open(struct ev_loop *loop, const struct options *o, const char *dsn,
                               ...) MUST_CHECK PRINTF_LIKE(3, 4);

/* payload: the job's JSON; NULL, a plain mail to one recipient. n names it. */
struct mail *mail_new(struct provider *p, int n, const char *payload) MUST_CHECK;
void mail_free(struct mail *m);

void mail_send(struct mail *m);
void mail_release(struct mail *m);
void mail_abandon(struct mail *m);

/* Runs the loop until it is so; fails the test if that takes too long. */
void mail_wait_ready(struct mail *m);
void mail_wait_done(struct mail *m);

/* Sends it, releases it, waits for the outcome. */
const struct outcome *mail_deliver(struct mail *m);

#endif
