/* registry.h - the configured providers, in failover order.
 *
 * A provider whose DSN names no tier gets one of its own, behind all that are named: without any
 * tier= the order of PROVIDERS is the order of the tiers. */
#ifndef PROVIDER_REGISTRY_H
#define PROVIDER_REGISTRY_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "base/error.h"
#include "base/options.h"
#include "provider/provider.h"

#define REGISTRY_MAX 32

struct registry {
	struct provider *list[REGISTRY_MAX];
	size_t n;
};

/* Opens what PROVIDERS names, each by its PROVIDER_<NAME>. `allow_mocks`: without PROVIDERS, the
 * two mocks primary and secondary with their success rates (only `up` does that); otherwise an
 * empty PROVIDERS is an error that says how to set it. */
bool registry_open(struct registry *r, struct ev_loop *loop, const struct options *o, bool allow_mocks,
                   struct error *err) MUST_CHECK;
void registry_close(struct registry *r);
struct provider *registry_find(const struct registry *r, const char *name); /* or NULL */

#endif
