/* wall_clock.h - the wall clock of a process under test, wrong by what the test says, and stepped while it runs.
 *
 *     struct wall_clock *c = wall_clock_new();
 *     fleet_worker(f, wall_clock_settings(c));
 *     wall_clock_step(c, -3600);
 *
 * By libfaketime (Debian's package faketime), which looks at each call what the clock is to be.
 * CLOCK_MONOTONIC and CLOCK_BOOTTIME stay as they are, as on a machine whose clock is set.
 * A process that is killed leaves two files of libfaketime's in /dev/shm: end it by SIGTERM. */
#ifndef SUPPORT_WALL_CLOCK_H
#define SUPPORT_WALL_CLOCK_H

#include "base/attr.h"

struct wall_clock;

/* One that is right as yet. NULL: there is no libfaketime here; wall_clock_why says what to do. */
struct wall_clock *wall_clock_new(void) MUST_CHECK;
const char *wall_clock_why(void);
void wall_clock_free(struct wall_clock *c);

/* From now on it is wrong by so many seconds. */
void wall_clock_step(struct wall_clock *c, long long seconds);

/* What a process must have in its environment to go by it: "NAME=value", NULL-terminated; the clock's own. */
const char *const *wall_clock_settings(const struct wall_clock *c);

#endif
