/* process.h - a child of the test program: a worker, a mail server, a one-shot command.
 *
 * Its stdout and stderr go to two files in tmpdir(), its stdin is empty unless given. It dies with
 * the test program, however that ends (PR_SET_PDEATHSIG), and is killed by process_free and at
 * exit. What cannot be done fails the running test, and shows the end of the child's stderr.
 *
 *     struct process *w = process_start((const char *const[]){"build/postrider", "worker", NULL},
 *                                       (const char *const[]){"CONCURRENCY=10", "REDIS_URL", NULL});
 *     process_wait_line(w, "worker_started", 0);
 *     process_signal(w, SIGTERM);
 *     assert_int_equal(process_wait(w, 0), 0);
 *     process_free(w);
 *
 * After the child has ended, process_free looks through its stderr for reports of the sanitizers
 * and of valgrind, and fails the test when there is one. */
#ifndef SUPPORT_PROCESS_H
#define SUPPORT_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/attr.h"

struct process;

/* argv: NULL-terminated; a name without a slash is looked for in PATH.
 * env: NULL, or NULL-terminated changes to the test's own environment: "NAME=value" sets, "NAME"
 * alone removes. */
struct process *process_start(const char *const *argv, const char *const *env) MUST_CHECK;

/* The same with the bytes that it reads on stdin, and with its working directory (NULL: the test's). */
struct process *process_start_with(const char *const *argv, const char *const *env,
                                   const void *input, size_t n_input, const char *dir) MUST_CHECK;

/* Starts, waits for the end, and returns the exit status as process_wait does. *out and *err, unless
 * NULL, become new strings (free) with what it wrote. */
int process_run(const char *const *argv, const char *const *env, const char *input, char **out,
                char **err);

pid_t process_pid(const struct process *p);
bool process_running(struct process *p);
void process_signal(struct process *p,
                    int signal); /* SIGSTOP and SIGCONT too; one that has ended is fine */

/* Waits for the end: the exit code, or 256 + the signal that killed it. When it does not end within
 * the timeout (0: WAIT_DEFAULT_MS) it is killed and the test fails. May be called again. */
int process_wait(struct process *p, int timeout_ms);
/* SIGTERM, then process_wait. */
int process_stop(struct process *p, int timeout_ms);
/* SIGKILL, then waits: nothing more of it can happen after. */
void process_kill(struct process *p);
/* Kills it if it is still there, scans its stderr, removes its files. NULL is fine. */
void process_free(struct process *p);

/* What it has written so far; new strings (free). */
char *process_stdout(const struct process *p) MUST_CHECK;
char *process_stderr(const struct process *p) MUST_CHECK;

/* How many lines of its stderr or stdout have `text` in them (whole lines only, ended by a newline). */
size_t process_count_lines(const struct process *p, const char *text);
/* Waits until at least `n` such lines are there; fails the test when the child ends without them. */
void process_wait_lines(struct process *p, const char *text, size_t n, int timeout_ms);
void process_wait_line(struct process *p, const char *text, int timeout_ms);

#endif
