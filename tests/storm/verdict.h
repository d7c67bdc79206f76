/* verdict.h - the checker: what the statuses say, against what the world has seen. See verdict_print's
 * table and the README's "Proof" for the words. */
#ifndef STORM_VERDICT_H
#define STORM_VERDICT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/attr.h"
#include "storm/letter.h"
#include "support/fleet.h"

struct verdict {
	/* what became of the mails that were acknowledged */
	size_t pushed, sent, failed, held, cancelled;
	size_t poisoned; /* among the failed: buried unread, since their workers died three times */
	size_t copies;   /* messages that providers took, one for each recipient */
	size_t unknown, worker_lost, late; /* lines in timelines; worker_lost is among the unknown */
	size_t explained; /* second copies with an `unknown` or a `late` line each */
	/* what must be 0 */
	size_t lost;         /* not settled and nowhere; or `sent`, and nobody has it */
	size_t unexplained;  /* copies that no line accounts for */
	size_t contradicted; /* cancelled, and somebody has it; other Message-IDs in later copies */
	size_t reasonless;   /* failed or held without an error */
	size_t uncaused;     /* ends of attempts that no provider caused, beyond the strays */
	size_t limits;       /* mails beyond a provider's rate */
	size_t left;         /* in the list, arrivals, leases, delayed; payloads that are no dead letters */
};

struct verdict_facts {
	struct fleet *fleet;
	const struct letter_record *records;
	size_t mails;
	uint64_t seed;
	size_t strays;      /* failures of providers that belong to no mail */
	size_t most_deaths; /* of attempts under way when workers died or were away */
};

void verdict_make(struct verdict *v, const struct verdict_facts *facts);
/* How many of the envelopes at these times (µs) are too many: in any span, more than rate × (span + slack) +
 * burst. slack: the longest that a permit may lie in a worker, µs. */
size_t verdict_over_rate(const int64_t *times, size_t n, unsigned rate, unsigned burst,
                         int64_t slack) MUST_CHECK;
bool verdict_good(const struct verdict *v) MUST_CHECK;

#endif
