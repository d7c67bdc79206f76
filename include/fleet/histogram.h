/* histogram.h - durations counted in buckets, the same few for all of them.
 *
 * A histogram is HISTOGRAM_SLOTS counts: one for each bucket, then the sum of the durations in µs. A bucket
 * counts what is at most its bound and more than the bound before; the last one has no bound. */
#ifndef FLEET_HISTOGRAM_H
#define FLEET_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

#define HISTOGRAM_BOUNDS 15
#define HISTOGRAM_BUCKETS (HISTOGRAM_BOUNDS + 1)
#define HISTOGRAM_SUM HISTOGRAM_BUCKETS /* the slot */
#define HISTOGRAM_SLOTS (HISTOGRAM_BUCKETS + 1)

extern const int64_t histogram_bounds_ms[HISTOGRAM_BOUNDS];

size_t histogram_bucket(int64_t us) MUST_CHECK;
int64_t histogram_count(const int64_t slots[HISTOGRAM_SLOTS]) MUST_CHECK;

/* About how many ms the q-th part (0 to 1) of them took at most, as Prometheus's histogram_quantile does it: even
 * within a bucket, and the last bound for what is past it. -1: nothing was counted. */
double histogram_quantile_ms(const int64_t slots[HISTOGRAM_SLOTS], double q) MUST_CHECK;

#endif
