/* plan.h - what goes wrong in a storm, and when: a pure function of the seed and the numbers.
 *
 * Times are ms since the storm began. A fault that cannot happen at its time (its worker lies stopped, say)
 * happens as soon as it can: the order and the number of faults are the plan's on any machine. */
#ifndef STORM_PLAN_H
#define STORM_PLAN_H

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

#define PLAN_HOSTS 2 /* mail hosts of ours; the third provider is the HTTP API's */

enum plan_kind {
	PLAN_KILL,   /* SIGKILL of a worker, at once or at a failpoint */
	PLAN_STOP,   /* SIGSTOP, and SIGCONT after for_ms */
	PLAN_API,    /* SIGKILL of the API, at once or at a failpoint */
	PLAN_REDIS,  /* SIGKILL of Redis, which comes back after for_ms */
	PLAN_CUT,    /* a connection to Redis is cut after `bytes` of what comes next */
	PLAN_FREEZE, /* a worker's connections to Redis pass nothing on for_ms, in one direction or both */
	PLAN_OUTAGE, /* a mail host hangs up on everybody for for_ms */
	PLAN_KINDS
};

enum plan_side { PLAN_REQUESTS = 1, PLAN_REPLIES = 2 };

struct plan_fault {
	int64_t at_ms, for_ms;
	enum plan_kind kind;
	unsigned who;      /* worker, mail host; for a cut: worker, or past them the API and the producer */
	unsigned side;     /* of enum plan_side, or both */
	unsigned bytes;
	const char *point; /* a failpoint; NULL: at once */
};

struct plan_numbers {
	uint64_t seed;
	size_t mails;
	unsigned seconds, workers;
	size_t faults[PLAN_KINDS];
	int64_t lease_ms;
	/* To hit one edge with certainty; else they are drawn. */
	const char *point; /* of all kills and stops */
	int64_t away_ms;   /* how long each stop lasts */
};

struct plan {
	struct plan_fault *faults; /* by time */
	size_t n;
	int64_t longest_ms; /* of all stops, freezes and absences */
};

/* plan_free it. */
void plan_make(struct plan *p, const struct plan_numbers *n);
void plan_free(struct plan *p);

/* A number that differs when two plans do. */
uint64_t plan_digest(const struct plan *p) MUST_CHECK;

/* One pseudo-random number for each pair of arguments: what depends on a mail and not on the moment. */
uint64_t plan_hash(uint64_t seed, uint64_t a, uint64_t b) MUST_CHECK;

#endif
