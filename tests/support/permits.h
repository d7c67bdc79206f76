/* permits.h - asks permit.lua, on a rig (rig.h), as a fleet with settings of its own would. */
#ifndef SUPPORT_PERMITS_H
#define SUPPORT_PERMITS_H

#include "base/attr.h"
#include "support/rig.h"

#define PERMIT_KEY "mail:provider:primary"
#define PERMIT_THRESHOLD 5
/* ms; long enough that no slow machine lets them run out in the middle of a test. */
#define PERMIT_OPEN_FOR 3000000
#define PERMIT_QUIET 6000000
#define PERMIT_PROBES 2
#define PERMIT_PROBE_LIFE 9000000 /* longer than it stays open, as with slow providers */
#define PERMIT_PAUSE_CAP 3600000

/* The script's arguments but for the reports, as rig_call takes them. */
#define PERMIT_SETTINGS "%d %d %d %d %d %d %lld %lld %d"

struct permit {
	long long granted, wait, generation, now;
	char state[16];
};

/* The bucket: µs between two mails (0: none), mails at once. */
extern long long permit_interval, permit_burst;

/* rig_begin, without a bucket. */
struct rig *permit_begin(void **state) MUST_CHECK;
/* Asks for `want` permits; reports: "generation kind count ms reason …" */
struct permit permit_ask(struct rig *r, int want, const char *reports);
struct permit permit_read(redisReply *reply); /* frees it */

/* The answer as "granted state generation". */
#define permit_expect(R, WANT, REPORTS, ANSWER) permit_expect_at(__LINE__, (R), (WANT), (REPORTS), (ANSWER))
void permit_expect_at(int line, struct rig *r, int want, const char *reports, const char *answer);

/* Opened by as many failures as it takes; generation 1. */
void permit_open_breaker(struct rig *r);
/* Open and over: the next one that asks makes it half-open, generation 2. */
void permit_wait_out(struct rig *r);

#endif
