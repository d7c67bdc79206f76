/* permit.h - permit.lua as a command: what it is asked with, and what it is told. */
#ifndef FLEET_PERMIT_H
#define FLEET_PERMIT_H

#include <stddef.h>
#include <stdint.h>

#include "base/options.h"
#include "redis/command.h"

/* c is overwritten. key: the provider's hash. want 0: only to report. interval_us 0: no rate. */
void permit_command(struct command *c, const char *key, const struct options *o, size_t want, int64_t interval_us,
                    int64_t burst);
/* One report more; the arguments are those of the script's head. */
void permit_report(struct command *c, int64_t generation, const char *kind, int64_t count, int64_t ms,
                   const char *reason);

#endif
