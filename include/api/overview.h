/* overview.h - what the fleet is doing: /health, /health/detailed, /circuit-breakers and
 * /api/email/queue/status.
 *
 * healthy: Redis answers, workers are alive, every provider can be sent through, nothing is known that
 * endangers mail. degraded: one of the providers cannot (breaker, pause), a queue is paused or its figures
 * cannot be read, or Redis may evict keys. unhealthy: Redis does not answer, no worker is alive, or no
 * provider can be sent through. `problems` says which, in sentences. */
#ifndef API_OVERVIEW_H
#define API_OVERVIEW_H

#include "api/request.h"
#include "fleet/survey.h"
#include "redis/link.h"

void overview_health(struct request *r);
void overview_detailed(struct request *r);
void overview_breakers(struct request *r);
void overview_queues(struct request *r);

/* Members of an object: status, problems, queues, workers. */
void overview_write(struct buf *out, enum link_result result, const struct survey *s);

/* The state of a provider's breaker, an object. */
void overview_write_breaker(struct buf *out, const struct survey_provider *p);

#endif
