/* crew.h - the processes of `up`, workers and API: starts them, starts them again when they die, passes on what
 * they log, and drains them at the end: first those that take mail in, then the others. On libev's default loop
 * (children can be watched only there). */
#ifndef CLI_CREW_H
#define CLI_CREW_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/error.h"

#define CREW_MAX 65 /* 64 workers and the API */

struct crew;

struct crew_member {
	struct crew *crew;
	char *name;        /* worker-1 */
	const char *const *argv;
	bool front;        /* ends before those that are not */
	bool told;         /* to end */
	bool started_again;
	pid_t pid;         /* 0: it does not run */
	int log_fd;
	struct buf line;   /* of its log, not yet complete */
	char *last_line;   /* what it said last: its reason, when it could not start */
	int64_t started_at; /* mono clock, µs */
	double pause;      /* s, before the next start */
	ev_child child;
	ev_io log;
	ev_timer again;
};

struct crew {
	struct ev_loop *loop;
	const char *const *env; /* besides WORKER_NAME; the caller's */
	int death_signal;
	struct crew_member members[CREW_MAX];
	size_t n;
	bool stopping;
	/* told to whoever runs it */
	void (*on_line)(void *data, const char *name, const char *line); /* one line of a member's log */
	void (*on_notice)(void *data, const char *text);                 /* one died, and what is done about it */
	/* None is left, and none will be started: after crew_stop, or because one refused its first start (exit code
	 * CMD_USAGE); then `refusal` is what it said, else NULL. */
	void (*on_end)(void *data, const char *refusal);
	void *data;
	bool misconfigured;
	char why[512];
};

/* Fill loop, env, death_signal and the callbacks first. argv: NULL-terminated, the caller's. */
bool crew_add(struct crew *c, const char *name, const char *const *argv, bool front,
              struct error *err) MUST_CHECK;
/* Tells those in front to drain, and when they have ended the others; said again, all to give up at once. */
void crew_stop(struct crew *c);
void crew_free(struct crew *c); /* kills who is left */

#endif
