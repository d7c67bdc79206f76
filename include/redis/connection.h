/* connection.h - one connection to Redis while it lasts: hiredis' async context on libev.
 *
 * Looks the host up, connects to the first of its addresses that answers, sends, and hands over the
 * replies in order. It does not reconnect and knows nothing of what is sent: that is the link's
 * (link.h), its only user. hiredis' rules of who frees a context when are kept here and nowhere else. */
#ifndef REDIS_CONNECTION_H
#define REDIS_CONNECTION_H

#include <ev.h>
#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "redis/link.h"

/* Each may call connection_send and connection_close. */
struct connection_events {
	void (*opened)(void *data);
	void (*replied)(void *data, const redisReply *reply); /* to the oldest command without one */
	void (*lost)(void *data, const char *reason); /* nothing comes after; connection_close is due */
};

struct connection;
/* config and events stay the caller's and outlive the connection. Nothing is told before the loop
 * runs. Has config->timeout_ms for the look-up and for each address. */
struct connection *connection_open(struct ev_loop *loop, const struct link_config *config,
                                   const struct connection_events *events,
                                   void *data) MUST_CHECK;
void connection_close(struct connection *c); /* nothing is told any more; frees it */

/* Takes a copy of the command's bytes; they leave at the end of this turn of the loop. False when
 * the connection is lost, which is told soon. Only after `opened`. */
bool connection_send(struct connection *c, const char *wire, size_t len) MUST_CHECK;

/* The server has said something that was not read yet. */
bool connection_readable(const struct connection *c);

#endif
