/* operate.h - what changes mails and providers that are there: DELETE /api/email/{key} and
 * POST /circuit-breakers/reset. */
#ifndef API_OPERATE_H
#define API_OPERATE_H

#include "api/request.h"

/* Ends a mail that no provider has yet; 409 when it is too late. */
void operate_cancel(struct request *r);

/* Closes the breakers of all providers, or of the one that the body names. Workers notice within a second
 * (they look at mail:control). The pause after a throttling reply stays: the provider asked for it. */
void operate_reset(struct request *r);

#endif
