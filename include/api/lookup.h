/* lookup.h - GET /api/email/status/{key}: what is known of one mail. */
#ifndef API_LOOKUP_H
#define API_LOOKUP_H

#include "api/request.h"

void lookup_run(struct request *r);

#endif
