/* switches.h - what is changed at run time (fleet/control.h): pauses and weights.
 *
 *     POST /api/queues/pause, /api/queues/resume         {queue}
 *     POST /api/providers/pause, /api/providers/resume   {provider}
 *     POST /api/providers/weight                         {provider, weight}; weight null: its DSN's again
 *
 * 404 for a queue that is not in QUEUES and a provider that nobody knows: a typing error would change nothing, and
 * nobody would notice. */
#ifndef API_SWITCHES_H
#define API_SWITCHES_H

#include "api/request.h"

void switches_pause_queue(struct request *r);
void switches_resume_queue(struct request *r);
void switches_pause_provider(struct request *r);
void switches_resume_provider(struct request *r);
void switches_weight(struct request *r);

#endif
