/* traffic.h - how many requests this process has answered, by route and status. */
#ifndef API_TRAFFIC_H
#define API_TRAFFIC_H

#include <stddef.h>
#include <stdint.h>

#include "api/exposition.h"
#include "api/route.h"
#include "base/attr.h"

struct traffic;

struct traffic *traffic_new(const struct route *routes, size_t n) MUST_CHECK;
void traffic_free(struct traffic *t);
/* route: one of them, or NULL for what matched none. status: 0 when the connection broke before the answer had left. */
void traffic_note(struct traffic *t, const struct route *route, int status);
void traffic_write(const struct traffic *t, struct exposition *x);

#endif
