#include "base/clock.h"

#include <stddef.h>
#include <time.h>

static int64_t read_clock(int clock_id)
{
	struct timespec t;

	clock_gettime(clock_id, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int64_t (*source)(int clock_id) = read_clock;

int64_t clock_wall_ms(void)
{
	return source(CLOCK_REALTIME) / 1000000;
}

int64_t clock_boot_us(void)
{
	return source(CLOCK_BOOTTIME) / 1000;
}

int64_t clock_mono_us(void)
{
	return source(CLOCK_MONOTONIC) / 1000;
}

void clock_set_source(int64_t (*get)(int clock_id))
{
	source = get != NULL ? get : read_clock;
}
