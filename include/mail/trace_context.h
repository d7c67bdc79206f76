/* trace_context.h - where in a trace something happens: W3C Trace Context's `traceparent`, read and written, and the
 * `tracestate` beside it, which is looked at and handed on as it came.
 *
 *     00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01
 *     version, trace id, id of the parent span, flags
 *
 * Ids are kept as they are written: hex digits in lower case, never all zero. */
#ifndef MAIL_TRACE_CONTEXT_H
#define MAIL_TRACE_CONTEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"

#define TRACE_ID_LEN 32
#define TRACE_SPAN_LEN 16
#define TRACE_PARENT_LEN 55 /* of version 00, which we write */
#define TRACE_PARENT_MAX 256 /* a longer one is not read */
#define TRACE_STATE_MAX 512 /* so much, and so many members, must be handed on; more is not */
#define TRACE_STATE_MEMBERS 32

struct trace_context {
	char trace_id[TRACE_ID_LEN + 1];
	char span_id[TRACE_SPAN_LEN + 1];
	bool sampled;      /* whoever is there records it */
	const char *state; /* the tracestate that came along; NULL or "" none. Another's memory */
};

/* By level 1 and 2 of the recommendation. Of a later version what we know is read, whatever comes behind it;
 * of version 00 nothing may. False: it is not valid, and as if it were not there; *c is undefined. Without a state. */
bool trace_context_read(struct trace_context *c, const char *text) MUST_CHECK;
/* NUL-terminated. */
void trace_context_write(const struct trace_context *c, char out[TRACE_PARENT_LEN + 1]);

/* May this tracestate be handed on: members key=value by level 2 of the recommendation, at least one, no key twice, within
 * the bounds above? */
bool trace_state_valid(const char *text) MUST_CHECK;

/* 16 hex digits and a NUL. */
void trace_context_hex(char out[TRACE_SPAN_LEN + 1], uint64_t n);

#endif
