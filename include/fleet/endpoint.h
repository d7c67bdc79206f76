/* endpoint.h - the hosts that webhooks go to, as one worker has met them: who is slow gets one place.
 *
 * A host that did not answer in time, or not at all, would soon hold all places for webhooks, and
 * those for the others would wait. So while its last answer was slow, it has few at once. Only
 * the hosts met last are remembered. */
#ifndef FLEET_ENDPOINT_H
#define FLEET_ENDPOINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "provider/webhook_rules.h"

#define ENDPOINT_MAX 64
#define ENDPOINT_SLOW_US 3000000 /* an answer that takes longer is slow */

struct endpoint {
	char host[WEBHOOK_MAX_HOST]; /* "" free */
	size_t in_flight;
	bool slow;
	uint64_t met; /* larger: later */
};

struct endpoints {
	struct endpoint list[ENDPOINT_MAX];
	uint64_t met;
};

/* NULL: all that are remembered are in use. Valid while it has something in flight. */
struct endpoint *endpoint_of(struct endpoints *all, const char *host);
/* May it have one more? places: of all webhooks. */
bool endpoint_has_room(const struct endpoint *e, size_t places);

#endif
