/* health.h - /livez, /readyz and /: does this process run, and can it take mail? */
#ifndef API_HEALTH_H
#define API_HEALTH_H

#include <stdint.h>

#include "redis/link.h"

struct request;

/* One question to Redis answers all who ask meanwhile: it may have to wait for replicas, and so would
 * whatever stands behind it. */
struct readiness {
	struct health_asker *askers; /* while Redis is asked */
	int64_t ready_until;         /* mono clock, µs: "yes" was heard lately */
};

void health_live(struct request *r);
void health_ready(struct request *r); /* Redis answers, and stores what it is given */
void health_index(struct request *r);

#endif
