#include "fleet/sampler.h"

#include <stdlib.h>

void sampler_init(struct sampler *s, enum sampler_kind kind, double ratio)
{
	s->kind = kind;
	s->all = ratio >= 1.;
	s->below = s->all ? UINT64_MAX : (uint64_t)(ratio * 18446744073709551616.);
}

static bool in_ratio(const struct sampler *s, const char *trace_id)
{
	return s->all || strtoull(trace_id + TRACE_ID_LEN - 16, NULL, 16) < s->below;
}

bool sampler_takes(const struct sampler *s, const char *trace_id,
                   const struct trace_context *parent)
{
	switch (s->kind) {
	case SAMPLER_ALWAYS_ON:
		return true;
	case SAMPLER_ALWAYS_OFF:
		return false;
	case SAMPLER_RATIO:
		return in_ratio(s, trace_id);
	case SAMPLER_PARENT_ON:
		return parent == NULL || parent->sampled;
	case SAMPLER_PARENT_OFF:
		return parent != NULL && parent->sampled;
	case SAMPLER_PARENT_RATIO:
		return parent != NULL ? parent->sampled : in_ratio(s, trace_id);
	}
	return false;
}
