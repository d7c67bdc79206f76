/* api.h - the HTTP API's process: one libev loop, one way to Redis, one server.
 *
 * Stateless like the workers: any number of processes may serve one fleet, also on one port
 * (SO_REUSEPORT). SIGTERM and SIGINT: /readyz turns 503, no new connections, what is under way ends
 * within DRAIN_TIMEOUT; a second one ends at once. */
#ifndef API_API_H
#define API_API_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/accept.h"
#include "api/again.h"
#include "api/auth.h"
#include "api/health.h"
#include "api/limiter.h"
#include "api/pulse.h"
#include "api/server.h"
#include "api/waiter.h"
#include "base/attr.h"
#include "base/error.h"
#include "base/options.h"
#include "fleet/queue_set.h"
#include "provider/carriers.h"
#include "redis/topology.h"

struct tracer;
struct finder;
struct worker;

struct api {
	struct ev_loop *loop;
	const struct options *options;
	const struct queue_set *queues;
	struct carriers *carriers; /* the providers, as far as they are known here */
	struct topology *redis;
	struct finder *finder; /* the archive; NULL: DATABASE_URL is not set */
	struct server *server;
	const struct route *routes; /* what may be asked of it */
	size_t n_routes;
	const struct worker *worker; /* whose page this is (metrics_server.h); NULL: it is the API itself */
	bool any_host; /* meant to be reached from elsewhere: the request's Host is not looked at */
	struct again again;
	struct accept accept;
	struct limiter limiter;  /* of mails */
	struct limiter sign_ins; /* of tries (session.h) */
	struct waiters waiters;
	struct readiness readiness;
	struct pulse pulse;
	struct auth auth;
	struct tracer *tracer; /* NULL: no traces */
	struct command command; /* of whatever is sent at once */
	int64_t started_at; /* mono clock, µs */
	bool draining;
	int64_t stop_by; /* mono clock, µs: the end of the grace */
	ev_prepare flush;
	ev_timer grace;
	ev_signal on_term, on_int;
};

/* Runs until it is told to stop. False: it could not start, err says why. */
bool api_run(const struct options *o, const struct queue_set *queues, struct error *err) MUST_CHECK;

/* Where it listens ("" everywhere): what nothing protects is for this machine only. */
const char *api_host(const struct options *o, bool protected) MUST_CHECK;

#endif
