/* clock.h - time, injectable.
 *
 * Three clocks, and what each is for:
 *   wall   what people read (dates in mail, logs); it may step. Nothing is decided by it that
 *          matters to the fleet: that time comes from Redis.
 *   boot   CLOCK_BOOTTIME: how long our lease has been running. It goes on while the machine
 *          sleeps and does not step, so that a worker woken from a suspend knows its lease is over.
 *   mono   CLOCK_MONOTONIC: durations for logs and metrics. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

int64_t clock_wall_ms(void);
int64_t clock_boot_us(void);
int64_t clock_mono_us(void);

/* A test replaces what the functions above read: `get` is called with a clockid (CLOCK_REALTIME,
 * CLOCK_BOOTTIME, CLOCK_MONOTONIC) and returns nanoseconds. NULL: the real clocks again. */
void clock_set_source(int64_t (*get)(int clock_id));

#endif
