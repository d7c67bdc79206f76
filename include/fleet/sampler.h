/* sampler.h - which traces are recorded: OpenTelemetry's samplers. Pure.
 *
 * The answer depends on nothing but the trace's id and its parent's flag, so that all processes that see a trace say the
 * same. A ratio takes the traces whose lower 64 bits are below so much of 2^64, as the SDKs do. */
#ifndef FLEET_SAMPLER_H
#define FLEET_SAMPLER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "mail/trace_context.h"

/* In the order of OTEL_TRACES_SAMPLER's words. */
enum sampler_kind {
	SAMPLER_ALWAYS_ON,
	SAMPLER_ALWAYS_OFF,
	SAMPLER_RATIO,
	SAMPLER_PARENT_ON, /* as the parent says; without one on, and so on */
	SAMPLER_PARENT_OFF,
	SAMPLER_PARENT_RATIO,
};

struct sampler {
	enum sampler_kind kind;
	uint64_t below; /* of a ratio */
	bool all;       /* a ratio of 1 */
};

void sampler_init(struct sampler *s, enum sampler_kind kind, double ratio); /* 0 … 1 */

/* trace_id: hex digits. parent: NULL when the trace begins here. */
bool sampler_takes(const struct sampler *s, const char *trace_id, const struct trace_context *parent) MUST_CHECK;

#endif
