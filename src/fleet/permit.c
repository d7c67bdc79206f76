#include "fleet/permit.h"

#include "redis/script.h"

void permit_command(struct command *c, const char *key, const struct options *o, size_t want,
                    int64_t interval_us, int64_t burst)
{
	script_command(c, SCRIPT_PERMIT, 1);
	command_str(c, key);
	command_int(c, (int64_t)want);
	command_int(c, o->breaker_threshold);
	command_int(c, o->breaker_timeout);
	command_int(c, o->breaker_reset_timeout);
	command_int(c, o->breaker_probes);
	command_int(c, o->lease_ms);
	command_int(c, interval_us);
	command_int(c, burst);
	command_int(c, o->throttle_max);
}

void permit_report(struct command *c, int64_t generation, const char *kind, int64_t count,
                   int64_t ms, const char *reason)
{
	command_int(c, generation);
	command_str(c, kind);
	command_int(c, count);
	command_int(c, ms);
	command_str(c, reason);
}
