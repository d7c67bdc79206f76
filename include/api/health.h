/* health.h - /livez, /readyz and /: does this process run, and can it take mail? */
#ifndef API_HEALTH_H
#define API_HEALTH_H

#include "api/request.h"

void health_live(struct request *r);
void health_ready(struct request *r); /* Redis answers, and stores what it is given */
void health_index(struct request *r);

#endif
