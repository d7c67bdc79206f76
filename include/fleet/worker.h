/* worker.h - the worker: one libev loop that claims, delivers and settles, until told to stop.
 *
 * Stateless: whatever must survive it is in Redis. In every turn of the loop, what has become ready
 * is flushed together (worker_flush): claims for all free slots, one permit call per provider, the
 * statuses, the settles. SIGTERM and SIGINT drain: nothing more is claimed, what is with a provider
 * ends within DRAIN_TIMEOUT, the rest is given back; a second one ends at once. SIGHUP opens the
 * providers anew (secrets, DSNs). */
#ifndef FLEET_WORKER_H
#define FLEET_WORKER_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/error.h"
#include "base/options.h"
#include "fleet/gates.h"
#include "fleet/guest.h"
#include "fleet/heartbeat.h"
#include "fleet/queue.h"
#include "fleet/queue_set.h"
#include "fleet/redis_clock.h"
#include "fleet/stats.h"
#include "fleet/status.h"
#include "fleet/tracer.h"
#include "fleet/webhooks.h"
#include "provider/registry.h"
#include "redis/topology.h"

#define WORKER_MAX_HOLD_US 5000000 /* how long a provider may hold a last byte: servers hang up after 10 s */

struct worker {
	struct ev_loop *loop;
	const struct options *options;
	char *name;
	bool allow_mocks;
	struct topology *redis;
	struct redis_clock clock; /* of whichever server was heard last; each queue has its own */
	struct status status;
	struct stats stats;
	struct gates gates;
	struct queue *queues[QUEUE_SET_MAX + 1]; /* the webhooks' last, when there are any */
	size_t n_queues;
	struct webhooks webhooks;
	struct heartbeat heartbeat;
	struct tracer *tracer; /* NULL: no traces */
	bool until_empty; /* --drain */
	bool stopping;    /* SIGTERM: gives back and ends */
	const struct worker_guest *guest; /* NULL: none */
	bool failed;      /* STRICT, or a name that is none: err says why */
	struct error *err;
	ev_prepare flush;
	int64_t stop_by;  /* mono clock, µs: the end of the grace; 0: it was not told to end */
	ev_timer tick, grace;
	ev_signal on_term, on_int, on_hup;
};

/* Runs until it is told to stop, or, with until_empty, until nothing is queued, delayed or in
 * flight. allow_mocks: see registry_open. guest: NULL, none. False: it could not start, err says why. */
bool worker_run(const struct options *o, bool until_empty, bool allow_mocks, const struct worker_guest *guest,
                struct error *err) MUST_CHECK;

#endif
