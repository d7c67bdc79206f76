/* storm.h - one storm: a fleet, its producers and providers, everything that goes wrong, and the verdict.
 *
 *     struct storm_options o = {.numbers = {.seed = 1, .mails = 4000, .seconds = 30, .workers = 4}};
 *     storm_scale(&o.numbers, 40);
 *     struct storm_result r = storm_run(&o);
 *     assert_true(storm_good(&r));
 *
 * Where things stand: Redis (appendonly, appendfsync always) behind a relay with a lane for each worker, the API
 * and the producer; two mail hosts of ours (a, with a rate, and b), an HTTP API that is another program (c), and two
 * providers that never work (t wants TLS where there is none, d does not exist). Workers run until all is settled. */
#ifndef STORM_STORM_H
#define STORM_STORM_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "storm/plan.h"
#include "storm/verdict.h"

struct storm_options {
	struct plan_numbers numbers;
	unsigned slow_percent, slow_ms; /* envelopes that are answered late */
	bool behaved;                   /* mail hosts do not fail by themselves, and t and d are left out */
	unsigned rate;                  /* of provider a, a second; 0: a quarter more than is pushed */
	int patience_ms; /* how long nothing may happen at the end before it is given up; 0: a minute and a half */
};

struct storm_result {
	struct verdict verdict;
	struct plan_numbers numbers;
	uint64_t digest; /* of the plan */
	size_t pushes, posts;
	size_t kills, kills_at_points, stops, stops_at_points, api_kills, restarts, cuts, freezes, outages;
	size_t crashes;
	bool settled;    /* else it was given up */
	bool failpoints; /* the program was made with them */
	double seconds;
};

/* Chooses the other faults to go with so many kills. */
void storm_scale(struct plan_numbers *n, size_t kills);
struct storm_result storm_run(const struct storm_options *o) MUST_CHECK;
bool storm_good(const struct storm_result *r) MUST_CHECK;
void storm_print(const struct storm_result *r); /* the table, on stdout */

#endif
