#include "fleet/backoff.h"

int64_t backoff_delay(int64_t tries, int64_t base_ms, int64_t max_ms, uint64_t random)
{
	int64_t ceiling = base_ms < max_ms ? base_ms : max_ms;

	for (int64_t i = 1; i < tries && ceiling < max_ms; i++)
		ceiling = ceiling > max_ms / 2 ? max_ms : ceiling * 2;
	return (int64_t)(random % ((uint64_t)ceiling + 1));
}
