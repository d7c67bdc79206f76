/* backoff.h - how long to wait before the next try: exponential, capped, with full jitter. */
#ifndef FLEET_BACKOFF_H
#define FLEET_BACKOFF_H

#include <stdint.h>

/* ms, at random in 0 … min(max, base * 2^(tries - 1)). tries counts from 1; `random` is any 64
 * random bits. */
int64_t backoff_delay(int64_t tries, int64_t base_ms, int64_t max_ms, uint64_t random);

#endif
