/* send_trace.h - a request that brings mail in, in its trace.
 *
 *     the client's span (its header traceparent), or none: then the trace begins here
 *      └─ POST /api/email/send   SERVER    the request, until its answer has left
 *          └─ send mail:queue    PRODUCER  one for each mail, until Redis has it; below it go the workers' (fleet/trace.h)
 *
 * A mail gets its span as `traceparent` into the job, where that names none: a job that does keeps its own, and that mail's
 * `send` span is below the one that it names. With traces off, a client's header is handed on to the workers as it is. Its `tracestate` goes along. */
#ifndef API_SEND_TRACE_H
#define API_SEND_TRACE_H

#include <stdbool.h>
#include <stdint.h>

#include "api/post.h"
#include "api/request.h"
#include "mail/trace_context.h"

struct send_trace {
	struct trace_context here; /* of the request's own span; with traces off the client's */
	char *state; /* the client's tracestate, for `here`; NULL none */
	char parent_id[TRACE_SPAN_LEN + 1]; /* "" none */
	uint64_t next_id;
	int64_t began_us; /* since the epoch */
};

/* Makes r->trace, once. With traces off, and without a traceparent, there is none. */
void send_trace_begin(struct request *r);

/* For post_new: the span of the next mail; NULL: it has none. Valid until the next call. */
const struct trace_context *send_trace_next(struct request *r);
/* What became of a mail is known. */
void send_trace_mail(const struct request *r, const struct post *p);
/* The answer has left (status 0: the client is gone). Frees r->trace; nothing without one. */
void send_trace_end(struct request *r);

#endif
