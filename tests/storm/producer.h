/* producer.h - what pushes the mails of a storm: two threads, one by LPUSH, one through the API.
 *
 * They spread their mails evenly over the seconds of the storm. What was not acknowledged, because the
 * connection broke or the API died, is pushed again until it is: as the README tells producers. */
#ifndef STORM_PRODUCER_H
#define STORM_PRODUCER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "storm/letter.h"

struct producer;

struct producer_options {
	uint64_t seed;
	struct letter_record *records;
	size_t mails;
	unsigned seconds;
	const char *redis_socket;
	int api_port;
};

struct producer *producer_start(const struct producer_options *o) MUST_CHECK;
bool producer_done(const struct producer *p) MUST_CHECK; /* all is acknowledged */
void producer_free(struct producer *p);                  /* gives up what is not; NULL is fine */

/* After producer_free or once it is done: how often something was pushed (acknowledged or not), by each. */
size_t producer_pushes(const struct producer *p);
size_t producer_posts(const struct producer *p);
size_t producer_acknowledged(const struct producer *p); /* mails, so far */

#endif
