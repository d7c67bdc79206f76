#include "fleet/redis_clock.h"

#include "base/clock.h"

#define FAR_MS INT64_C(31536000000) /* a year */

void redis_clock_heard(struct redis_clock *c, int64_t redis_now_ms)
{
	if (redis_now_ms < 0 || redis_now_ms > REDIS_CLOCK_MAX)
		return; /* no clock says that */
	c->offset_ms = redis_now_ms - clock_boot_us() / 1000;
}

int64_t redis_clock_now(const struct redis_clock *c)
{
	return c->offset_ms + clock_boot_us() / 1000;
}

int64_t redis_clock_to_boot(const struct redis_clock *c, int64_t redis_ms)
{
	int64_t now = redis_clock_now(c), ms = 0;

	if (redis_ms > now + FAR_MS)
		ms = FAR_MS;
	else if (redis_ms >= now - FAR_MS)
		ms = redis_ms - now;
	return clock_boot_us() + ms * 1000;
}
