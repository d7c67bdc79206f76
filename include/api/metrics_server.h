/* metrics_server.h - a worker's own page: /metrics, /livez and /readyz at METRICS_PORT, in the worker's loop and over its
 * connections to Redis. For everybody who can reach the address: there is nothing to be sent or changed here.
 *
 * A worker delivers whether it can be watched or not. Where the port is taken it says so once, and tries again: of
 * several workers on a host with one port one serves the page, and when it ends another does. What they
 * show of the fleet is the same; the process's figures are those of the one that answers. */
#ifndef API_METRICS_SERVER_H
#define API_METRICS_SERVER_H

#include "base/attr.h"
#include "base/options.h"
#include "fleet/guest.h"
#include "fleet/queue_set.h"

struct metrics_server;

/* queues: the worker's; both are kept. Serves when the worker opens it (worker_guest). */
struct metrics_server *metrics_server_new(const struct options *o, const struct queue_set *queues) MUST_CHECK;
void metrics_server_free(struct metrics_server *m); /* after the worker has run */

/* What worker_run takes. */
struct worker_guest metrics_server_guest(struct metrics_server *m) MUST_CHECK;

#endif
