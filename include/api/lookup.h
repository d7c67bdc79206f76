/* lookup.h - GET /api/email/status/{key}: what is known of one mail. */
#ifndef API_LOOKUP_H
#define API_LOOKUP_H

#include <hiredis/hiredis.h>
#include <stdbool.h>

#include "api/request.h"
#include "base/attr.h"
#include "base/buf.h"

void lookup_run(struct request *r);

/* Writes a mail's status (HGETALL's reply) as JSON. False: there is none, and nothing was written. */
bool lookup_write(struct buf *out, const char *key, const redisReply *pairs) MUST_CHECK;

#endif
