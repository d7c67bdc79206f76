/* child.h - a process of our own: started, never left behind.
 *
 * It is in a session of its own, so that Ctrl-C reaches us alone and we decide in which order things
 * end; it gets `death_signal` from the kernel when we die, however we die. */
#ifndef CLI_CHILD_H
#define CLI_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/attr.h"
#include "base/error.h"

struct child_spec {
	const char *const *argv; /* NULL-terminated; a name without a slash is looked for in PATH */
	const char *const *env;  /* NULL-terminated "NAME=value", added to ours; "NAME" removes; NULL: none */
	int death_signal;
	bool log;                /* its stdout and stderr come to us; else they go to /dev/null */
};

/* *log_fd: what it writes, non-blocking; -1 without `log`. False: err says why it could not be run. */
bool child_start(const struct child_spec *spec, pid_t *pid, int *log_fd, struct error *err) MUST_CHECK;

/* "ended with code 2", "was killed by signal 9 (Killed)". status: as wait(2) gives it. */
const char *child_fate(char *out, size_t size, int status);

#endif
