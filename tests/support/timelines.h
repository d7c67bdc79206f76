/* timelines.h - what the statuses of many mails say together, and one mail's timeline.
 *
 * The mails of a batch have the keys <stem>-0 … <stem>-(n-1), as fleet_push_many makes them. */
#ifndef SUPPORT_TIMELINES_H
#define SUPPORT_TIMELINES_H

#include <stddef.h>

#include "base/attr.h"
#include "support/fleet.h"
#include "support/tally.h"

/* The statuses of <stem>-0 … <stem>-(n-1), counted. */
struct timelines {
	size_t sent, failed, held, other; /* other: any other status, or none */
	size_t lines;                     /* of all timelines */
	size_t attempts;                  /* the sum of `attempts` */
	size_t retried;                   /* mails with more than one line */
	size_t fell_back;                 /* mails with lines of more than one provider */
	size_t most;                      /* lines of one provider in one timeline, at most */
	size_t unknown;                   /* mails with an unknown in the timeline */
};
struct timelines timelines_count(struct fleet *f, const char *stem, size_t n);

/* Lines of one timeline with this provider and outcome; NULL: any. */
size_t timelines_lines(struct fleet *f, const char *key, const char *provider, const char *outcome);

/* For every <stem>-<i>: copies in the tally are exactly 1 where it is sent; more, only where the
 * timeline has an unknown, and all copies have one Message-ID. */
void timelines_check_copies(struct fleet *f, const struct tally *t, const char *stem, size_t n);

#endif
