/* webhook_trace.h - one webhook in the trace of the mail that it tells of.
 *
 *     process mail:queue    the mail's claim (trace.h)
 *      └─ POST              CLIENT    one for each attempt: until the endpoint has answered, or was given up
 *          └─ …             the receiver's, by the headers `traceparent` and `tracestate`
 *
 * What is known of the mail's trace is in the webhook's job. Where it is not recorded here, the headers go on as they came. */
#ifndef FLEET_WEBHOOK_TRACE_H
#define FLEET_WEBHOOK_TRACE_H

#include <stdbool.h>
#include <stdint.h>

#include "fleet/webhook_job.h"
#include "mail/trace_context.h"
#include "provider/http_client.h"
#include "provider/webhook_rules.h"

struct task;

struct webhook_trace {
	const struct webhook_job *job;
	struct trace_context parent; /* trace_id "": the webhook is in no trace */
	char span_id[TRACE_SPAN_LEN + 1]; /* of the attempt on its way; "" it is not recorded */
	int64_t began_us; /* Redis's clock */
};

/* j must outlive it. */
void webhook_trace_init(struct webhook_trace *tr, const struct webhook_job *j);
/* An attempt begins: its headers. */
void webhook_trace_begin(struct webhook_trace *tr, const struct task *t, struct http_call *c);
/* It has ended, with t->outcome; result NULL: it was broken off. Nothing when none had begun. */
void webhook_trace_end(struct webhook_trace *tr, const struct task *t, const struct webhook_target *to,
                       const struct http_result *result);

/* For the log; NULL: there is none. */
const char *webhook_trace_id(const struct webhook_trace *tr);

#endif
