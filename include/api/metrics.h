/* metrics.h - GET /metrics: the fleet's figures, which all processes show alike, and this process's own.
 *
 * Prometheus' text format, or JSON to a client that prefers it (exposition.h). Two round trips to Redis, whatever the
 * number of queues and providers. While Redis is away there are only the process's own, and
 * postrider_redis_up is 0. Each figure's HELP says whose it is. */
#ifndef API_METRICS_H
#define API_METRICS_H

#include <stdbool.h>

#include "api/request.h"
#include "base/buf.h"
#include "fleet/survey.h"

void metrics_run(struct request *r);

/* The part of the fleet, for a test. */
struct exposition;
void metrics_write_fleet(struct exposition *x, const struct survey *s);

#endif
