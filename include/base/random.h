/* random.h - random numbers.
 *
 * random_u64 is unpredictable (getrandom(2), buffered): job ids, jitter. prng_* is a small seeded
 * generator (xoshiro256**) for what must be repeatable: mock providers with `seed=`, tests. */
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

#include <stdint.h>

#include "base/attr.h"

uint64_t random_u64(void);
uint64_t random_below(uint64_t n); /* 0 … n-1, unbiased; n > 0 */

/* A name for this process that no other has: "<host>-<pid>-<4 hex digits>"; mem_free. */
char *random_name(void) MUST_CHECK;

/* A test replaces where the numbers above come from. NULL: the system again. */
void random_set_source(uint64_t (*get)(void));

struct prng {
	uint64_t s[4];
};
void prng_seed(struct prng *p, uint64_t seed);
uint64_t prng_u64(struct prng *p);
double prng_unit(struct prng *p); /* [0, 1) */

#endif
