/* mock.h - a provider that delivers nothing: for trying out, and for tests.
 *
 *     mock://?success=0.7&latency=5-50&fail=retry:3,throttled:3,rejected:4&seed=1
 *
 *   success  the share of mails that are taken, 0 to 1; default 1
 *   latency  ms until it replies, "N" or "A-B"; default 0: in the next turn of the loop
 *   fail     what becomes of the others, by shares: retry, throttled, provider_down, rejected,
 *            unknown; default retry:1
 *   seed     the same outcomes in the same order each time; without one they are random
 *   record   a testing aid: a file to which each mail that was taken is appended, one line of
 *            "key message-id pid epoch-ms" in one write(2), so that copies can be counted
 *
 * It behaves as a server does: it says that it is ready, is released, and replies after the
 * latency; provider_down comes instead of ready, all else after the release. What is unknown was
 * not taken (and is not in the record). */
#ifndef PROVIDER_MOCK_H
#define PROVIDER_MOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/error.h"
#include "base/random.h"
#include "mail/outcome.h"

struct mock_plan {
	double success;
	unsigned shares[OUTCOME_N]; /* of the failures, by kind */
	unsigned all_shares;
	long latency_min, latency_max; /* ms */
};

/* The parts of the DSN, pure. */
bool mock_parse_fail(struct mock_plan *plan, const char *text, struct error *err) MUST_CHECK;
bool mock_parse_latency(struct mock_plan *plan, const char *text, struct error *err) MUST_CHECK;

/* Draws the next mail's fate. The same seed gives the same sequence. */
enum outcome_kind mock_draw(const struct mock_plan *plan, struct prng *random, long *latency_ms);

#endif
