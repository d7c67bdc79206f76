/* port.h - TCP ports on which something of ours listens. */
#ifndef BASE_PORT_H
#define BASE_PORT_H

#include <stdbool.h>

#include "base/attr.h"
#include "base/error.h"

#define PORT_MAX 65535

/* A listening socket, non-blocking and close-on-exec, which is the caller's. host: an address or a name of this
 * machine; "" is all addresses, of IPv6 and IPv4. *port: 0 is any that is free, and becomes the one it
 * is. shared: other processes of this user may listen there, too (SO_REUSEPORT). -1: err. */
int port_listen(const char *host, int *port, bool shared, struct error *err) MUST_CHECK;

/* Keeps a port, on which nobody listens now, for a process that is yet to be started, and started again, and
 * listens there `shared`: meanwhile nobody else can have it. Returns what close(2) gives up. -1: err, *taken tells whether
 * it is because somebody has it. */
int port_hold(const char *host, int *port, bool *taken, struct error *err) MUST_CHECK;

/* Whether somebody takes connections at the port that is held so. */
bool port_answers(int held);

#endif
