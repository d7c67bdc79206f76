/* send.h - the routes that take mail in: POST /api/email/send and /api/email/bulk-send. */
#ifndef API_SEND_H
#define API_SEND_H

#include "api/post.h"
#include "api/request.h"

void send_run(struct request *r);
/* Takes in this one mail for the request, at the price of a token, and answers as /api/email/send does. The post
 * is ours from now on. */
void send_post(struct request *r, struct post *p);
void send_run_bulk(struct request *r);

#endif
