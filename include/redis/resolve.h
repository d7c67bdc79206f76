/* resolve.h - looks up a host's addresses without stopping the loop.
 *
 * getaddrinfo(3) in a thread of its own, because it knows /etc/hosts and the names of containers as
 * every other program on the host does; hiredis would call it on the loop, which a dead name server
 * then stops for many seconds. */
#ifndef REDIS_RESOLVE_H
#define REDIS_RESOLVE_H

#include <ev.h>
#include <netdb.h>

#include "base/attr.h"

struct resolve;

/* Called once, from the loop: the addresses in the order to try them (never empty, freed after the
 * call), or NULL and the reason. The resolve is gone when this is called. */
typedef void resolve_fn(void *data, const struct addrinfo *addresses, const char *error);

struct resolve *resolve_start(struct ev_loop *loop, const char *host, resolve_fn *fn,
                              void *data) MUST_CHECK;
/* fn will not be called. The thread ends by itself. */
void resolve_cancel(struct resolve *r);

#endif
