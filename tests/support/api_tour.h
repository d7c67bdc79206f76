/* api_tour.h - the routes by which a fleet is operated, each asked for every answer that it has (test_api_openapi). */
#ifndef SUPPORT_API_TOUR_H
#define SUPPORT_API_TOUR_H

#include "support/api_world.h"

/* A body that suits each POST, but those that take mail in. */
#define API_TOUR_BODY "{\"names\":[\"x\"],\"queue\":\"mail:queue\",\"provider\":\"primary\",\"weight\":1}"

void api_tour(struct api_world *w);
/* A session of who has this key. */
void api_tour_sign_in(const struct api_process *a, const char *key);
/* mail:queue, mail:workers and mail:provider:primary are of the wrong type. */
void api_tour_errors(struct api_world *w);

#endif
