/* stats.h - what the fleet has done, counted: mails, attempts, dead letters, durations.
 *
 * The counts are the fleet's and live in Redis, so that they survive whoever counted: those of all providers in the hash
 * mail:stats ("primary:attempts:sent"), those of a queue in {mail:queue}:stats ("mails:sent"), in the queue's
 * slot. A worker counts in memory, and adds what is new once a second (HINCRBY, all in one write); when
 * nothing is new it sends nothing. So a mail costs no command, and a worker that is killed takes at most
 * its last second's counts with it. One that ends flushes first.
 *
 * At most once: a count whose answer was lost may have been added or not, and is not added again; what
 * Redis has refused (no memory, no replicas) was not added, and is kept until it takes it.
 *
 * A row is one provider's or one queue's counts, in groups; each group has one count for each of a few labels, so
 * the number of fields is bounded, whatever is sent. */
#ifndef FLEET_STATS_H
#define FLEET_STATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "fleet/histogram.h"
#include "mail/outcome.h"
#include "redis/command.h"
#include "redis/topology.h"

#define STATS_MAX_NAME 64 /* of a provider, with its NUL */

enum stats_group {
	/* a provider's */
	STATS_ATTEMPTS,       /* [enum outcome_kind] */
	STATS_PROVIDER_MAILS, /* [enum stats_status], of the last attempt's provider */
	STATS_CALL,           /* histogram: from handing the mail to the provider to its answer */
	/* a queue's */
	STATS_MAILS,      /* [enum stats_status] */
	STATS_ADOPTED,    /* [1] jobs taken over from workers that died or were away */
	STATS_DUPLICATES, /* [1] jobs dropped because their mail was known */
	STATS_DEAD,       /* [enum stats_reason] */
	STATS_WAIT,       /* histogram: from when a mail could be sent to the attempt */
	STATS_TOTAL,      /* histogram: from when a mail could first be sent to `sent` */
	STATS_GROUPS
};

/* How a mail is settled for good. */
enum stats_status { STATS_SENT, STATS_FAILED, STATS_HELD, STATS_CANCELLED, STATS_STATUSES };

/* Why a mail became a dead letter. */
enum stats_reason {
	STATS_INVALID,   /* no valid job */
	STATS_TOO_LARGE, /* larger than MAX_JOB_BYTES */
	STATS_POISON,
	STATS_CONFLICT,  /* its key belongs to other content, or its status's key to something else */
	STATS_EXPIRED,
	STATS_REJECTED,  /* by a provider */
	STATS_SPENT,     /* no attempt, or no provider, is left */
	STATS_UNKNOWN,   /* nobody knows whether it was sent */
	STATS_OTHER,     /* an earlier worker knew, and died before it settled */
	STATS_REASONS
};

#define STATS_PROVIDER_CELLS (OUTCOME_N + STATS_STATUSES + HISTOGRAM_SLOTS)
#define STATS_QUEUE_CELLS (STATS_STATUSES + 2 + STATS_REASONS + 2 * HISTOGRAM_SLOTS)
#define STATS_MAX_CELLS STATS_QUEUE_CELLS

/* How many counts a group has, and what the i-th is called in the field's name: "sent", "250" (a bucket's bound,
 * ms), "inf", "us" (the sum). */
size_t stats_labels(enum stats_group g) MUST_CHECK;
const char *stats_label(enum stats_group g, size_t i) MUST_CHECK;
/* Where the group begins in a row's cells. */
size_t stats_at(enum stats_group g) MUST_CHECK;
/* The cell of a field's name, without the provider's: "attempts:sent". False: it is none. */
bool stats_find(bool of_provider, const char *field, size_t *cell) MUST_CHECK;

/* STATS_STATUSES: it is none that is for good. */
enum stats_status stats_status(const char *status) MUST_CHECK;
/* The class of a dead letter's last outcome. */
enum stats_reason stats_reason(const struct outcome *o) MUST_CHECK;

struct stats_row;

struct stats {
	char *key; /* of the providers' counts; the stats' own */
	struct stats_row *rows;
	int64_t hold_until; /* mono clock, µs: Redis does not take them */
	struct command command;
};

void stats_init(struct stats *s, const char *key_prefix);
void stats_free(struct stats *s);

/* The row of a provider, or of the queue whose counts are under `key`; made where there is none. Both live as long as
 * the stats. */
struct stats_row *stats_provider(struct stats *s, const char *name) MUST_CHECK;
struct stats_row *stats_queue(struct stats *s, const char *key) MUST_CHECK;

void stats_add(struct stats_row *r, enum stats_group g, size_t label);
void stats_time(struct stats_row *r, enum stats_group g, int64_t us); /* of a histogram; negative is 0 */
/* A provider's bucket, for those who show how full it is; interval 0: it has none. */
void stats_limit(struct stats_row *r, int64_t interval_us, int64_t burst);

/* Tells Redis what is new. */
void stats_flush(struct stats *s, struct topology *redis);
/* What Redis was not told yet, and is not being told. */
int64_t stats_pending(const struct stats_row *r, enum stats_group g, size_t label) MUST_CHECK;

#endif
