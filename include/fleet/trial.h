/* trial.h - tries jobs of dead workers out in a child process, before this worker touches them.
 *
 * A job that kills its worker would take the fleet down one by one, and the innocent jobs that were
 * claimed beside it would be counted as adopted with it. So adopted jobs are parsed and composed in
 * a child first: who kills the child is poison, and the others go on. */
#ifndef FLEET_TRIAL_H
#define FLEET_TRIAL_H

#include <stddef.h>

#include "base/attr.h"
#include "base/options.h"

#define TRIAL_SECONDS 5 /* an endless loop counts as a death */

struct trial_payload {
	const char *bytes;
	size_t len;
};

/* Returns the index of the first payload that kills, or n when all are harmless (or no child, or no memory for it, can be had: then
 * the count of adoptions is what remains). Blocks for as long as the child runs. */
size_t trial_run(const struct trial_payload *payloads, size_t n, const struct options *o) MUST_CHECK;

/* The idempotencyKey of a payload that kills, made out in a child without parsing it: a new string, or NULL. */
char *trial_key(const struct trial_payload *payload) MUST_CHECK;

/* What is done with each payload in the child; a test replaces it by something that dies. */
extern void (*trial_work)(const struct trial_payload *payload, const struct options *o);

#endif
