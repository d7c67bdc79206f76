/* look.h - a look at the fleet (fleet/survey.h), for one request or for whoever: two round trips. */
#ifndef API_LOOK_H
#define API_LOOK_H

#include "api/request.h"
#include "fleet/survey.h"
#include "redis/link.h"

/* Told once, with LINK_OK. With anything else Redis did not answer, and the survey has only the providers'
 * names. The survey is valid during the call. */
typedef void look_fn(struct request *r, enum link_result result, const struct survey *s);

#define LOOK_COUNTS 1u /* with the stats (survey_count) */
#define LOOK_LAGS 4u   /* with how far the archivers are behind (survey_lag) */
#define LOOK_AGES 2u   /* with the ages of what waits (survey_age) */

void look_run(struct request *r, unsigned what, look_fn *fn);

/* The same without a request. */
typedef void look_data_fn(void *data, enum link_result result, const struct survey *s);
void look_start(struct api *api, unsigned what, look_data_fn *fn, void *data);

#endif
