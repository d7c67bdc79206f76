#include "fleet/redis_clock.h"

#include "base/clock.h"

void redis_clock_heard(struct redis_clock *c, int64_t redis_now_ms)
{
	c->offset_ms = redis_now_ms - clock_boot_us() / 1000;
}

int64_t redis_clock_now(const struct redis_clock *c)
{
	return c->offset_ms + clock_boot_us() / 1000;
}
