/* guest.h - who shares a worker's loop (or an archiver's) and its way to Redis, and what it may ask of the worker: its page of
 * metrics (api/metrics_server.h). Knows no more of the worker than that. */
#ifndef FLEET_GUEST_H
#define FLEET_GUEST_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>

#include "redis/topology.h"

struct tracer;
struct worker;

struct worker_guest {
	/* The loop is about to run. w: NULL in an archiver. */
	void (*open)(void *data, const struct worker *w, struct ev_loop *loop, struct topology *redis);
	/* It will not run again; Redis was closed, and all that was asked is answered. */
	void (*close)(void *data);
	void *data;
};

size_t worker_tasks(const struct worker *w);  /* mails in its hands */
const struct tracer *worker_tracer(const struct worker *w); /* NULL: no traces */
bool worker_stopping(const struct worker *w); /* it was told to end */

#endif
