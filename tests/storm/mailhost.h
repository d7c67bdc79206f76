/* mailhost.h - the providers of a storm: SMTP servers that record what they accept, and fail.
 *
 * One thread serves all hosts. About a tenth of all envelopes fare badly, in a way that follows from the seed,
 * the mail and how often it was met (so it is the same whenever the same mail comes for the same time): refused,
 * put off, throttled, cut at every place, taken and not answered, answered byte by byte, by half, by garbage,
 * without end. What is recorded as a copy was accepted, whatever the answer was. */
#ifndef STORM_MAILHOST_H
#define STORM_MAILHOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "storm/letter.h"

struct mailhost;

struct mailhost_options {
	uint64_t seed;
	struct letter_record *records; /* of n mails */
	size_t n;
	unsigned hosts;
	unsigned slow_percent; /* of envelopes are answered only after slow_ms */
	unsigned slow_ms;
	bool behaves; /* none of them fares badly */
};

/* Listens on free ports of 127.0.0.1. */
struct mailhost *mailhost_start(const struct mailhost_options *o) MUST_CHECK;
/* Ends the thread; what was recorded can be read then. */
void mailhost_stop(struct mailhost *m);
void mailhost_free(struct mailhost *m); /* NULL is fine */

int mailhost_port(const struct mailhost *m, unsigned host);
/* Hangs up on everybody for as long as that. */
void mailhost_outage(struct mailhost *m, unsigned host, int64_t ms);

size_t mailhost_taken(const struct mailhost *m); /* messages, so far */
/* Connections and commands that failed without belonging to a mail; after mailhost_stop. */
size_t mailhost_strays(const struct mailhost *m);
/* When envelopes began at a host, µs of CLOCK_MONOTONIC, in order; after mailhost_stop. */
const int64_t *mailhost_times(const struct mailhost *m, unsigned host, size_t *n);
/* How often each kind of failure was met, as one line; a new string (free). */
char *mailhost_summary(const struct mailhost *m) MUST_CHECK;

#endif
