/* wait.h - waiting for a condition, never for a time.
 *
 * The condition is asked every few milliseconds until it holds; when it does not within the
 * timeout the test fails, naming the condition and the line that waited. Timeouts are for a broken
 * program, not for a slow machine: leave them at 0 (WAIT_DEFAULT_MS) unless the test is about one.
 *
 *     static bool three_sent(void *server) { return count_sent(server) == 3; }
 *     …
 *     wait_until(three_sent, server, 0);
 *
 * A test that holds something in flight on a libev loop uses wait_loop_until, which runs that loop
 * meanwhile. A test must not fail from within a callback of the loop (cmocka would jump out of
 * libev): callbacks record, the test asserts after. */
#ifndef SUPPORT_WAIT_H
#define SUPPORT_WAIT_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"

#define WAIT_DEFAULT_MS 60000

typedef bool wait_fn(void *arg);

#define wait_until(COND, ARG, TIMEOUT_MS)                                                          \
	wait_until_at(__FILE__, __LINE__, #COND, (COND), (ARG), (TIMEOUT_MS))
#define wait_loop_until(LOOP, COND, ARG, TIMEOUT_MS)                                               \
	wait_loop_until_at(__FILE__, __LINE__, #COND, (LOOP), (COND), (ARG), (TIMEOUT_MS))

/* The same without failing: false when it did not come to hold. loop NULL: sleeps between the asking. */
bool wait_for(struct ev_loop *loop, wait_fn *cond, void *arg, int timeout_ms) MUST_CHECK;

/* Runs the loop for as long as that; only to show that something does NOT happen meanwhile. */
void wait_loop_for(struct ev_loop *loop, int ms);

int64_t wait_now_ms(void); /* CLOCK_MONOTONIC */

void wait_until_at(const char *file, int line, const char *what, wait_fn *cond, void *arg,
                   int timeout_ms);
void wait_loop_until_at(const char *file, int line, const char *what, struct ev_loop *loop,
                        wait_fn *cond, void *arg, int timeout_ms);

#endif
