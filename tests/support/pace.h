/* pace.h - watches how fast a fleet sends, by a mock's record and Redis' clock.
 *
 * What is asserted holds on any machine: at no moment have more mails been taken than the rate and
 * the burst allow since the start. (A slow machine only sends later.) */
#ifndef SUPPORT_PACE_H
#define SUPPORT_PACE_H

#include <stddef.h>
#include <stdint.h>

#include "support/fleet.h"

/* Waits until n mails are taken, and fails the test at the first look at which there were too many.
 * on_look (NULL: none) is told at each look how many are taken. Returns how long it took, ms.
 * Call it before anything is pushed: `push` is called when the clock has been read. */
int64_t pace_watch(struct fleet *f, const char *record, size_t n, int rate, int burst,
                   void (*push)(void *data), void (*on_look)(void *data, size_t taken), void *data);

int64_t pace_now(struct fleet *f); /* Redis' clock, ms */

#endif
