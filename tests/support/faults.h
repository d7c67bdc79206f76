/* faults.h - each allocation, or each system call, of one piece of work fails once.
 *
 * The work has "fault-<n>" in it, as in a mail's key. The n-th allocation (or call) of the process after it has read that fails,
 * and no other (e2e/preload.c). So each n has a process of its own, from 1 on, until there was none left to fail:
 *
 *     struct faults e = {.fleet = f, .class = "memory"};
 *     do {
 *             … victim = fleet_run(f, …, {preload_setting(), faults_setting(&e), NULL}); its work
 *     } while (faults_note(&e, victim, e.runs++));
 */
#ifndef SUPPORT_FAULTS_H
#define SUPPORT_FAULTS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "support/fleet.h"

#define FAULTS_MOST 3000 /* more there are not */
#define FAULTS_ALLOCATIONS 100 /* fewer there are not: a look whether any fails at all */
#define FAULTS_CALLS 10

struct faults {
	struct fleet *fleet;
	const char *class; /* "memory" or "calls" */
	size_t runs, faults, deaths;
};

/* Skip the running test where that cannot be made to happen. */
void faults_need_preload(void);
void faults_need_allocations(void);

/* What the victim has in its environment, with preload_setting(); valid until the next call. */
const char *faults_setting(const struct faults *e);

/* Waits for the victim's end, with 0 or one of faults_is_death, and forgets it. False: there was nothing to fail for it,
 * nth was past the last. (0 is none, and true.) */
bool faults_note(struct faults *e, struct process *victim, size_t nth) MUST_CHECK;

/* As process_wait says it: it died of what was not there. */
bool faults_is_death(int ended) MUST_CHECK;

#endif
