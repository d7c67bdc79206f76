/* pool.h - the connections to one SMTP server.
 *
 * An envelope takes an idle connection, or a new one is opened for it, or, when there are
 * config->connections, it waits in line. Idle connections are closed after config->idle_ms; each
 * serves at most config->per_connection envelopes, and fewer when many were refused (servers grow
 * slow and then hang up). When a server has closed an idle connection before it answered anything of
 * a new envelope, that envelope moves to another connection, once, and nobody is told.
 *
 * With PIPELINING the first in line goes with the dot of an envelope that is released (session.h).
 * A server that answers that as if it had not understood gets no more of it. */
#ifndef SMTP_POOL_H
#define SMTP_POOL_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "base/error.h"
#include "smtp/config.h"
#include "smtp/envelope.h"

struct smtp_pool;

/* config and events are the caller's, and outlive the pool. name_servers: NULL, the system's (see
 * resolver.h). */
struct smtp_pool *smtp_pool_open(struct ev_loop *loop, const struct smtp_config *config,
                                 const struct smtp_events *events, const char *name_servers,
                                 struct error *err) MUST_CHECK;
void smtp_pool_close(struct smtp_pool *p); /* no envelope may be on its way */

/* How many envelopes may wait, in line or behind a dot: some for each connection while the server
 * accepts promptly, else none, for they would be stuck here. */
size_t smtp_pool_ahead(const struct smtp_pool *p) MUST_CHECK;

void smtp_pool_send(struct smtp_pool *p, struct smtp_envelope *e);
/* Still in line, or behind a dot: nothing of it is with the server yet that it could act on. */
bool smtp_pool_waits(const struct smtp_envelope *e) MUST_CHECK;
/* After on_held: the dot leaves. on_end follows. */
void smtp_pool_release(struct smtp_pool *p, struct smtp_envelope *e);
/* Any time before on_end: the message will not be delivered, and on_end does not come. */
void smtp_pool_abandon(struct smtp_pool *p, struct smtp_envelope *e);

#endif
