/* workers.h - GET /api/workers: who the workers are (fleet/roster.h). */
#ifndef API_WORKERS_H
#define API_WORKERS_H

#include "api/request.h"

void workers_run(struct request *r);

#endif
