/* send.h - the routes that take mail in: POST /api/email/send and /api/email/bulk-send. */
#ifndef API_SEND_H
#define API_SEND_H

#include "api/request.h"

void send_run(struct request *r);
void send_run_bulk(struct request *r);

#endif
