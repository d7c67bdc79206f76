/* gate.h - one provider's gate: the line of tasks that wait for a permit, and what the breaker is
 * told (permit.lua).
 *
 * A gate asks once per turn of the loop for as many permits as there are tasks in its line and
 * places at its provider, and passes them on at once. Reports of earlier sends ride along. A report
 * whose call was lost is not sent again: it might count twice.
 *
 * A probe of a half-open breaker lives for a lease, and is renewed as that is, for as long as a delivery can take:
 * when its worker dies, the next one goes a lease later. */
#ifndef FLEET_GATE_H
#define FLEET_GATE_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/options.h"
#include "fleet/policy.h"
#include "fleet/redis_clock.h"
#include "fleet/task.h"
#include "provider/provider.h"
#include "redis/command.h"
#include "redis/topology.h"

#define GATE_MAX_BATCH 256
#define GATE_MAX_REPORTS 256
#define GATE_REASON 100
#define GATE_MAX_WAIT INT64_C(86400000) /* ms: it asks again after a day at the latest */

struct gate_report {
	int64_t generation;
	enum report_kind kind;
	int64_t count;
	int64_t ms;
	char reason[GATE_REASON];
};

struct gate {
	struct provider *provider;
	const struct options *options;
	struct redis_clock *clock;
	char *key;              /* mail:provider:<name> */
	struct task_list line;
	size_t n_line;
	int64_t generation;
	size_t n_probes;        /* that we have out, of this generation of the half-open breaker: */
	int64_t probes_generation;
	int64_t probing_at;     /* boot clock, µs: when Redis must hear that they still are */
	int64_t probes_end;     /* boot clock, µs: by when they must have ended */
	bool shut;              /* the breaker is open, or half-open with its probes out: try another provider */
	bool paused;            /* by mail:control */
	long weight;            /* among its tier: by mail:control, else the provider's own */
	bool retired;           /* replaced by a reload: takes nothing more, goes when its last delivery ends */
	int64_t blocked_until;  /* boot clock, µs: asking earlier makes no sense */
	bool asking;            /* a call is on its way */
	bool expects;           /* a task will come: the next flush asks for its permit already */
	struct gate_report reports[GATE_MAX_REPORTS], sent[GATE_MAX_REPORTS];
	size_t n_reports, n_sent;
	struct command command; /* scratch */
	char state[16];         /* as permit.lua last said; for the log */
	int64_t reset_at;       /* Redis's clock, ms: when somebody last closed the breaker by hand; 0 never */
	ev_timer timer;         /* wakes the loop when blocked_until has come */
	bool *changed;          /* set when tasks may have to be routed anew */
};

struct gate *gate_new(struct provider *p, const struct options *o, struct redis_clock *clock,
                      bool *changed) MUST_CHECK;
/* A reload puts g in the place of `old`: it is switched as that was until mail:control is read again. */
void gate_replace(struct gate *g, struct gate *old);
void gate_free(struct gate *g); /* the line must be empty; closes the provider */

void gate_enter(struct gate *g, struct task *t); /* at the end of the line */
void gate_leave(struct gate *g, struct task *t);
/* What became of one send; reason: for REPORT_DOWN and REPORT_FAIL. Everybody who looks at the fleet sees
 * it: addresses are masked. */
void gate_report(struct gate *g, int64_t generation, enum report_kind kind, int64_t ms, const char *reason);

/* A single job is being claimed and may come here: its permit is asked for with the claim, not after. Does
 * nothing where a permit that nobody uses would cost one: a rate, a breaker that is not closed. */
void gate_expect(struct gate *g);

/* Somebody has closed the breaker (mail:control): what was said of waiting does not hold any more. */
void gate_reset(struct gate *g);

/* Can a task that enters now expect to go through, perhaps after a wait for the rate? */
bool gate_flows(const struct gate *g);
/* The same, but not while it pauses after a throttling reply: nothing is claimed for that. */
bool gate_takes(const struct gate *g);
/* Must this one, which waits within the provider, leave it again? Not a probe: the gate is shut for its sake. */
bool gate_recalls(const struct gate *g, const struct task *t);
/* It flows, but not yet: its rate, or a throttling reply, holds it back. */
bool gate_slow(const struct gate *g);
/* µs of the boot clock when it may flow again; INT64_MAX while paused. */
int64_t gate_opens_at(const struct gate *g);

/* Once per turn of the loop. most: permits that it may ask for, up to GATE_MAX_BATCH. */
void gate_flush(struct gate *g, struct topology *redis, size_t most);

#endif
