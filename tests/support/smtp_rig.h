/* smtp_rig.h - a loop, a scripted SMTP server, and an smtp:// provider that talks to it. One at a
 * time in a test program. */
#ifndef SUPPORT_SMTP_RIG_H
#define SUPPORT_SMTP_RIG_H

#include <ev.h>
#include <stddef.h>

#include "base/options.h"
#include "provider/provider.h"
#include "support/delivery.h"
#include "support/smtp_script.h"

struct smtp_rig {
	struct ev_loop *loop;
	struct options options;
	struct script_server *server;
	struct provider *provider;
};

extern struct smtp_rig rig;

int smtp_rig_setup(void **state);    /* for cmocka: loop and options */
int smtp_rig_teardown(void **state); /* and everything that was started */

/* A server that runs fn for each connection, and a provider for it: params is added to
 * smtp://127.0.0.1:<port>?tls=none. What was there before is closed. */
void smtp_rig_start(script_fn *fn, void *arg, const char *params);
/* Only the server; the provider is opened by its DSN, in which %d is the port. */
void smtp_rig_start_dsn(script_fn *fn, void *arg, const char *dsn);

/* A mail's outcome, whatever it is: released when it is ready. payload: a job; NULL a plain one. */
struct outcome smtp_rig_deliver(const char *payload);
void smtp_rig_is(struct outcome o, enum outcome_kind kind, const char *code);
/* The same in one: delivers a plain mail, which must end so. */
void smtp_rig_expect(enum outcome_kind kind, const char *code);
size_t smtp_rig_saw(const char *text);
/* Nothing came out of order. */
void smtp_rig_in_order(void);

#endif
