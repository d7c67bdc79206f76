/* tracer.h - the spans of this process on their way to the collector: OTLP over HTTP, in JSON (provider/otlp.h).
 *
 * A span is written once, into the batch that is being filled. A batch goes when it or the queue is full, or
 * OTEL_BSP_SCHEDULE_DELAY after its first span; one at a time. What waits is bounded (OTEL_BSP_MAX_QUEUE_SIZE spans,
 * TRACER_MAX_BYTES): what comes while that is full is dropped and counted, so that mail never waits for a collector.
 *
 * By the OTLP specification: 429, 502, 503, 504 and lost connections are tried again, after Retry-After or an
 * exponential pause, for OTEL_BSP_EXPORT_TIMEOUT; other answers are not. A batch whose answer was lost may arrive twice.
 * Certificates are always verified, redirects not followed. */
#ifndef FLEET_TRACER_H
#define FLEET_TRACER_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/options.h"
#include "mail/trace_context.h"
#include "provider/otlp.h"

#define TRACER_MAX_BYTES ((size_t)8 << 20) /* of spans that wait */
#define TRACER_MAX_BATCH ((size_t)1 << 20) /* bytes after which a batch goes, whatever its spans */
#define TRACER_MAX_SPAN 8192               /* a larger one is dropped */
#define TRACER_MAX_GRACE_MS 5000           /* a process that ends waits no longer for its last spans */
#define TRACER_MAX_PAUSE_MS 300000         /* a collector's Retry-After is believed up to this */

struct tracer;

/* Spans, since the start. */
struct tracer_counts {
	uint64_t exported; /* the collector has taken them */
	uint64_t dropped;  /* there was no room */
	uint64_t failed;   /* it could not be reached, or has refused them */
};

/* *out: NULL when traces are off, which is no error. instance: this process's name; NULL: host and process id. */
bool tracer_open(struct tracer **out, struct ev_loop *loop, const struct options *o, const char *instance,
                 struct error *err) MUST_CHECK;
/* Sends what waits: runs the loop for that, at most so long, and tries nothing twice. NULL is fine. */
void tracer_close(struct tracer *t, int64_t grace_ms);
/* For that: what is left of a grace that ends at stop_by (mono clock, µs; 0: there is none), at most TRACER_MAX_GRACE_MS. */
int64_t tracer_spare_ms(int64_t stop_by);

/* Is the trace recorded? parent: NULL when it begins here (sampler.h). */
bool tracer_takes(const struct tracer *t, const char *trace_id, const struct trace_context *parent) MUST_CHECK;

/* Begins a span; its attributes (OTLP_TEXT …) go into what is returned, then tracer_end. NULL: it is dropped. */
struct otlp *tracer_begin(struct tracer *t, const struct otlp_span *s) MUST_CHECK;
void tracer_end(struct tracer *t, const char *error); /* as otlp_end */

struct tracer_counts tracer_counts(const struct tracer *t);

#endif
