/* gates.h - a worker's gates, in failover order, those last that a reload has retired: which of them a
 * mail goes to, and their turn of the loop. One per provider of PROVIDERS. */
#ifndef FLEET_GATES_H
#define FLEET_GATES_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/error.h"
#include "base/options.h"
#include "fleet/gate.h"
#include "fleet/policy.h"
#include "fleet/redis_clock.h"
#include "fleet/stats.h"
#include "fleet/status.h"
#include "provider/registry.h"
#include "redis/topology.h"

#define GATES_MAX (4 * REGISTRY_MAX) /* also retired ones that still deliver */

struct gates {
	const struct options *options;
	struct redis_clock *clock;
	struct status *status; /* says how long nothing may begin, since replicas are missing */
	struct gate *list[GATES_MAX];
	size_t n;
	bool rerouting; /* one has shut or opened */
	bool reweighed; /* a weight was changed: what waits in line is routed anew */
	bool expecting; /* a job that a doorbell has moved is being claimed */
};

/* What is given stays the caller's. */
void gates_init(struct gates *gs, const struct options *o, struct redis_clock *clock, struct status *status);
void gates_free(struct gates *gs); /* their lines must be empty; closes the providers */

/* Opens the providers that are configured now, before those that are there, and retires these: a retired
 * gate takes nothing more, and goes when its last delivery has ended. False: nothing has changed. */
bool gates_open(struct gates *gs, struct ev_loop *loop, bool allow_mocks, struct error *err) MUST_CHECK;
void gates_remove(struct gates *gs, size_t i); /* frees it: nobody needs it any more */

/* Is there anybody to give a mail to? While there is not, nothing is taken from the lists. */
bool gates_flow(const struct gates *gs);

/* The gate that this task should go to now (route.h).
 *   ROUTE_GATE  *gate is one that flows, or the one that opens first when none does
 *   ROUTE_WAIT  none opens within a lease; *at (Redis's clock, ms) is when to look again
 *   ROUTE_NONE  there is none left for this mail */
enum route { ROUTE_GATE, ROUTE_WAIT, ROUTE_NONE };
enum route gates_route(const struct gates *gs, const struct task *t, struct gate **gate, int64_t *at);
/* The providers that a job may use and that can carry it, as configured; returns how many. */
size_t gates_providers(const struct gates *gs, const struct job *j, struct policy_provider out[REGISTRY_MAX]);
/* Why a provider that the job may use cannot carry it; NULL: all can. */
const char *gates_refusal(const struct gates *gs, const struct job *j);

/* Once per turn of the loop: routes anew what waits for a gate that has shut. */
void gates_reroute(struct gates *gs);
/* Once per turn of the loop, while Redis is there: asks for permits. */
void gates_flush(struct gates *gs, struct topology *redis);

/* The server may be another one, which never heard of the providers' limits. */
void gates_tell_limits(const struct gates *gs, struct stats *stats);

#endif
