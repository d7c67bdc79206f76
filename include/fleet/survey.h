/* survey.h - the fleet at one moment, read from Redis: its queues, providers and workers.
 *
 * Knows the questions and what the answers mean; whoever asks brings the connection:
 *
 *     survey_init(&s, options, queues);
 *     for (int round = 0; round < SURVEY_ROUNDS; round++)
 *         for (size_t i = 0; i < survey_questions(&s, round); i++)
 *             if (survey_ask(&s, round, i, &command))
 *                 … survey_take(&s, round, i, reply), or survey_fail(&s, round, i, error)
 *     survey_free(&s);
 *
 * The questions of a round may all be on their way at once; those of the second follow from the answers
 * to the first.
 *
 * How old the oldest waiting mail is cannot always be known: a plain push carries no time. It is known
 * of a mail that the API accepted (its status says when). Besides that, `last_claim_ms` says when a worker
 * last came by: mail that waits while that grows, waits in vain. */
#ifndef FLEET_SURVEY_H
#define FLEET_SURVEY_H

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/options.h"
#include "fleet/lag.h"
#include "fleet/queue_set.h"
#include "fleet/stats.h"
#include "redis/command.h"

#define SURVEY_ROUNDS 2
#define SURVEY_MAX_PROVIDERS 64
#define SURVEY_WORKER_GONE_MS 5000 /* they beat once a second */

/* Ages and times to come are in ms from now; -1: not known, or there is none. */
struct survey_queue {
	const struct queue_keys *keys; /* .list is the name; the queue_set's */
	char *error;       /* NULL, or why its figures cannot be read (a key of the wrong type) */
	int64_t depth;     /* pushed and not yet taken: the list, and what doorbells moved */
	int64_t in_flight, delayed, dead;
	int64_t oldest_ms; /* since the oldest one of `depth` was accepted */
	int64_t next_due_ms, oldest_dead_ms, last_claim_ms;
	bool paused;
	int64_t counts[STATS_QUEUE_CELLS]; /* survey_count */
	struct lag lag; /* survey_lag */
	/* as they are stored, until the second round: points in time (ms since 1970) and names */
	int64_t claimed_at, due_at, dead_at;
	char *next[2];     /* status keys of the mails that are taken next: of arrivals, of the list; NULL not known */
};

struct survey_provider {
	char *name;
	char *state;       /* of the breaker: closed, open, half-open */
	char *reason;      /* why it last opened; NULL none */
	int64_t failures;  /* in a row */
	int64_t opened;    /* how often, ever */
	int64_t probe_ms;  /* open: until a probe; -1 else */
	int64_t pause_ms;  /* throttled for so long; -1 not */
	bool paused;       /* by mail:control */
	int64_t weight;    /* by mail:control; -1: its DSN's */
	bool known;        /* Redis has something on it */
	int64_t tat;       /* µs: when its bucket will be full again */
	/* survey_count: */
	int64_t counts[STATS_PROVIDER_CELLS];
	int64_t interval_us, burst; /* its rate, as workers have told it; 0 none */
};

struct survey {
	const struct options *options;
	bool counts; /* survey_count */
	bool ages;   /* survey_age */
	bool lags;   /* survey_lag */
	int64_t now; /* Redis's clock */
	struct survey_queue *queues;
	size_t n_queues;
	struct survey_provider *providers; /* of PROVIDERS; without it those of the usual names that Redis knows */
	size_t n_providers;
	size_t n_workers; /* heard of lately */
};

/* options and queues are kept, not copied. */
void survey_init(struct survey *s, const struct options *o, const struct queue_set *queues);
void survey_free(struct survey *s);
/* Before the first question: the stats (stats.h) are asked for, too, and the providers that only they know. Without them,
 * and where they cannot be read, all counts are 0. */
void survey_count(struct survey *s);
/* Likewise how long the oldest mail of each queue waits, which takes the whole mail to find out. */
void survey_age(struct survey *s);
/* And how far the archivers are behind; not known where that may not be asked. */
void survey_lag(struct survey *s);

size_t survey_questions(const struct survey *s, int round);
/* False: there is nothing to ask. */
bool survey_ask(const struct survey *s, int round, size_t i, struct command *c) MUST_CHECK;
void survey_take(struct survey *s, int round, size_t i, const redisReply *reply);
/* Redis answered with an error. False: it spoils more than the figures of one queue. */
bool survey_fail(struct survey *s, int round, size_t i, const char *error) MUST_CHECK;
/* After the last round: leaves out the providers that nobody has named and nobody knows. */
void survey_end(struct survey *s);

bool survey_provider_closed(const struct survey_provider *p); /* its breaker */
/* Mails that may go at once under its rate; where it has one. */
int64_t survey_provider_tokens(const struct survey *s, const struct survey_provider *p);

#endif
