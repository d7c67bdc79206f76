/* redis_clock.h - Redis's clock, as this worker knows it: what it said last, and the time since then
 * by our boot clock. All times that the fleet shares are of this clock. */
#ifndef FLEET_REDIS_CLOCK_H
#define FLEET_REDIS_CLOCK_H

#include <stdint.h>

struct redis_clock {
	int64_t offset_ms; /* Redis's clock minus our boot clock */
};

/* No time that Redis keeps for us is later, ms: what says so was written by somebody else, or is broken.
 * Sums of a few such times do not overflow. */
#define REDIS_CLOCK_MAX (INT64_C(1) << 52)

void redis_clock_heard(struct redis_clock *c, int64_t redis_now_ms);
int64_t redis_clock_now(const struct redis_clock *c); /* ms since the epoch */

/* A point in time of Redis's clock (ms) by our boot clock, µs; at most a year from now. */
int64_t redis_clock_to_boot(const struct redis_clock *c, int64_t redis_ms);

#endif
