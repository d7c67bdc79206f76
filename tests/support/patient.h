/* patient.h - a producer that does not give up: it repeats, over a new connection, what was not answered.
 *
 * Reads and pushes over redis/sync.h, so that it finds its way to any kind of Redis. A push that is
 * repeated may be there twice: give it an idempotencyKey. And what became of many mails, as census counts it. */
#ifndef SUPPORT_PATIENT_H
#define SUPPORT_PATIENT_H

#include <hiredis/hiredis.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "support/tally.h"

struct patient;

struct patient *patient_new(const char *url) MUST_CHECK;
void patient_free(struct patient *p);

/* Arguments are separated by single spaces. Never NULL, never an error; fails the test after a minute. */
redisReply *patient_ask(struct patient *p, const char *format, ...) PRINTF_LIKE(2, 3) MUST_CHECK;
int64_t patient_int(struct patient *p, const char *format, ...) PRINTF_LIKE(2, 3);

/* Jobs <stem>-<from> … <stem>-<from+n-1> to the queue, in one command; replicas: so many must have them
 * before it returns (WAIT), 0 none. */
void patient_push(struct patient *p, const char *queue, const char *stem, size_t from, size_t n, int replicas);

/* Waits until nothing is queued, moved, in flight or delayed in the queue. */
void patient_wait_empty(struct patient *p, const char *queue);

struct census {
	size_t sent;      /* mails whose status says so */
	size_t other;     /* and those whose status says something else, or which have none */
	size_t lost;      /* mails of which no copy was taken */
	size_t doubled;   /* mails of which several were */
	size_t unknown;   /* of these, those whose timeline has as many unknowns as there are copies too many */
	size_t copies;
};

/* Of the mails <stem>-0 … <stem>-<n-1>; prints the figures, and up to three that are doubled without an unknown. */
struct census patient_census(struct patient *p, const struct tally *t, const char *stem, size_t n);
/* The same; fn is told of each that is doubled without an unknown. */
struct census patient_census_with(struct patient *p, const struct tally *t, const char *stem, size_t n,
                                  void (*fn)(void *data, const char *key), void *data);

#endif
