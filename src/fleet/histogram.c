#include "fleet/histogram.h"

/* From a local relay's answer to a mail that waited for days. */
const int64_t histogram_bounds_ms[HISTOGRAM_BOUNDS] = {
	5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000, 600000, 3600000,
};

size_t histogram_bucket(int64_t us)
{
	size_t i = 0;

	while (i < HISTOGRAM_BOUNDS && us > histogram_bounds_ms[i] * 1000)
		i++;
	return i;
}

int64_t histogram_count(const int64_t slots[HISTOGRAM_SLOTS])
{
	int64_t n = 0;

	for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
		n += slots[i];
	return n;
}

double histogram_quantile_ms(const int64_t slots[HISTOGRAM_SLOTS], double q)
{
	double rank = q * (double)histogram_count(slots), below = 0;

	if (histogram_count(slots) <= 0)
		return -1;
	for (size_t i = 0; i < HISTOGRAM_BOUNDS; i++) {
		double n = (double)slots[i];
		double from = i > 0 ? (double)histogram_bounds_ms[i - 1] : 0;

		if (n > 0 && below + n >= rank)
			return from + ((double)histogram_bounds_ms[i] - from) * (rank - below) / n;
		below += n;
	}
	return (double)histogram_bounds_ms[HISTOGRAM_BOUNDS - 1];
}
