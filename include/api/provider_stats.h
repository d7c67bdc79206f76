/* provider_stats.h - GET /providers/stats: what each provider has done, how quick it is, and whether it can be used. */
#ifndef API_PROVIDER_STATS_H
#define API_PROVIDER_STATS_H

#include "api/request.h"
#include "fleet/survey.h"

void provider_stats_run(struct request *r);

/* One entry, an object. */
void provider_stats_write(struct buf *out, const struct survey *s, const struct survey_provider *p);

#endif
