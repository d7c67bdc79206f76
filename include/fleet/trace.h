/* trace.h - one claim of a mail in its trace.
 *
 *     the producer's span
 *      ├─ send mail:queue      PRODUCER   the API has taken it (api/send_trace.h)
 *      └─ process mail:queue   CONSUMER   one for each claim: from when the mail could be sent until it was settled
 *          ├─ wait mail:queue    INTERNAL   until it was handed to the provider
 *          ├─ deliver relay      CLIENT     the attempt
 *          ├─ settle mail:queue  CLIENT     what came of it is written to Redis
 *          └─ POST               CLIENT     a webhook that is told of it (webhook_trace.h)
 *
 * The producer's span is that of the job's `traceparent`. Where it has none, the trace begins at the first claim: its id,
 * and that of the first claim's span, are made from the job's owner, "<queue>#<id>", which no claim changes and no
 * other job has (64 random bits); so whoever claims the mail again, on whatever host, goes on with the same trace, under that span.
 * All times are Redis's clock, as in the status. */
#ifndef FLEET_TRACE_H
#define FLEET_TRACE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "fleet/tracer.h"
#include "mail/trace_context.h"

struct task;

struct trace {
	struct trace_context here; /* the claim's span; sampled: it is recorded */
	char parent_id[TRACE_SPAN_LEN + 1]; /* "" none */
	bool remote;       /* the parent is the producer's */
	char first_id[TRACE_SPAN_LEN + 1]; /* the spans of a claim differ in the last digit */
	unsigned n_spans;  /* so far; a claim has no more than 16 */
	int64_t ahead_us;  /* Redis's clock minus the boot clock */
	int64_t settle_at; /* boot clock, µs: there is nothing left but to write it; 0 not yet */
};

/* The task was claimed. With traces off, and a job that has no traceparent: nothing. */
void trace_claimed(struct task *t);
/* Its attempt has ended (attempt_ended); without a gate it was an earlier claim's, whose worker was lost. */
void trace_attempt(struct task *t, const char *provider);
void trace_settling(struct task *t); /* called with a trace only, any number of times */
/* The claim is over. why: it was not settled by us; NULL: it was, by t->decision. */
void trace_ended(struct task *t, const char *why);

/* The traceparent of what goes on below this claim: with traces off the producer's own. False: there is none. */
bool trace_below(const struct task *t, char out[TRACE_PARENT_MAX + 1]) MUST_CHECK;

/* The fields of the log lines that are about a mail. */
#define LOG_TRACE(T) LOG_STR("trace_id", trace_id(T)), LOG_STR("span_id", trace_span_id(T))
const char *trace_id(const struct task *t);      /* NULL: there is no trace */
const char *trace_span_id(const struct task *t); /* NULL: it is not recorded */

#endif
