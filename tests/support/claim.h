/* claim.h - claims made on a rig: what claim.lua is told, and its answer as a test wants to see it. */
#ifndef SUPPORT_CLAIM_H
#define SUPPORT_CLAIM_H

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "support/rig.h"

#define CLAIM_KEYS QUEUE " " ARRIVALS " " JOBS " " LEASES " " DELAYED " " CLAIMS " " CLOCK
#define SETTLE_KEYS JOBS " " LEASES " " DELAYED " " CLAIMS " " DEAD " " EVENTS

#define CLAIM_LEASE 3000000 /* long enough that no slow machine lets one run out */
#define CLAIM_MAX_BYTES 8000000
#define CLAIM_MAX_JOB 1000000
#define CLAIM_POISON_AFTER 3

struct claim_limits {
	int max;              /* jobs */
	int max_bytes;        /* 0: CLAIM_MAX_BYTES */
	int max_job;          /* 0: CLAIM_MAX_JOB */
	bool has_suspect;     /* the worker has one, and takes no other */
	const char *renewals; /* "id token id token"; NULL: none */
	const char *ids;      /* for new jobs; NULL: new1 new2 …, `max` more with each claim */
};

struct claim {
	redisReply *reply; /* as it came */
	long long now, wake, waiting, oom;
	size_t n;   /* jobs */
	char *lost; /* ids, as words */
	char *jobs; /* "id:token:adoptions:kind:payload …", as words; payloads are cut at 40 bytes; the
	             * token is 1, or N: one of a job that was claimed before */
	const char *fault;
};

/* rig_begin, and the names of new jobs begin with new1 again. */
struct rig *claim_begin(void **state) MUST_CHECK;
struct claim claim_make(struct rig *r, struct claim_limits limits) MUST_CHECK;
void claim_free(struct claim *c);

/* A claim of up to `max` jobs takes exactly these. */
#define claim_expect(R, MAX, WANT) claim_expect_at(__FILE__, __LINE__, (R), (MAX), (WANT))
void claim_expect_at(const char *file, int line, struct rig *r, int max, const char *want);

void claim_push(struct rig *r, const char *payloads); /* words, each LPUSHed to the list */
/* A job that was claimed before, in LEASES or DELAYED for ms from now on; count as claim.lua keeps
 * it, NULL: none is kept. Its payload is "payload-of-<id>". */
void claim_known(struct rig *r, const char *zset, const char *id, const char *count, int64_t ms);
/* The token of the job's last claim. */
long long claim_token(struct rig *r, const char *id);
/* Somebody has claimed just now: there is no gap. */
void claim_alive(struct rig *r);
/* A lease passes in which somebody claims all the time, but renews nothing: who has jobs is dead. */
void claim_outlive(struct rig *r);

#endif
