/* query.h - asks Redis one thing and waits for the answer (sync.h), with the arguments as strings. */
#ifndef CLI_QUERY_H
#define CLI_QUERY_H

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/error.h"
#include "redis/sync.h"

/* The arguments end with NULL: query(s, &err, "LLEN", key, NULL). NULL: err says why. */
redisReply *query(struct sync *s, struct error *err, ...) MUST_CHECK __attribute__((sentinel));

/* An integer, or a string that is one; nil and any other text is 0. */
bool query_int(struct sync *s, struct error *err, int64_t *out, ...) MUST_CHECK __attribute__((sentinel));

/* Redis's clock, ms. */
bool query_now(struct sync *s, struct error *err, int64_t *ms) MUST_CHECK;

#endif
