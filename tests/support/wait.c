#include "support/wait.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h>

#define WAIT_STEP_MS 2

int64_t wait_now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void on_tick(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)loop;
	(void)timer;
	(void)events;
}

/* One step: a short sleep, or one turn of the loop that lasts no longer than that. */
static void step(struct ev_loop *loop)
{
	if (!loop) {
		nanosleep(&(struct timespec){.tv_nsec = WAIT_STEP_MS * 1000000L}, NULL);
		return;
	}
	ev_timer tick;
	ev_timer_init(&tick, on_tick, WAIT_STEP_MS / 1000.0, 0.);
	ev_now_update(loop);
	ev_timer_start(loop, &tick);
	ev_run(loop, EVRUN_ONCE);
	ev_timer_stop(loop, &tick);
}

bool wait_for(struct ev_loop *loop, wait_fn *cond, void *arg, int timeout_ms)
{
	int64_t end = wait_now_ms() + (timeout_ms > 0 ? timeout_ms : WAIT_DEFAULT_MS);
	while (!cond(arg)) {
		if (wait_now_ms() >= end)
			return false;
		step(loop);
	}
	return true;
}

void wait_loop_for(struct ev_loop *loop, int ms)
{
	int64_t end = wait_now_ms() + ms;
	while (wait_now_ms() < end)
		step(loop);
}

void wait_loop_until_at(const char *file, int line, const char *what, struct ev_loop *loop,
                        wait_fn *cond, void *arg, int timeout_ms)
{
	if (!wait_for(loop, cond, arg, timeout_ms))
		fail_msg("%s:%d: waited in vain for %s", file, line, what);
}

void wait_until_at(const char *file, int line, const char *what, wait_fn *cond, void *arg,
                   int timeout_ms)
{
	wait_loop_until_at(file, line, what, NULL, cond, arg, timeout_ms);
}
