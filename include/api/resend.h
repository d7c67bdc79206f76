/* resend.h - POST /api/email/resend/{key}: a failed or held mail (with {"force":true} a sent one) again.
 *
 * A new mail under the key `<key>_resend_<ms>` with the content of the old one, without its sendAt, delay and
 * expiresAt, whose time has passed. The old one stays what it is. The content of a failed or held mail is
 * that of its dead letter; of a sent one it is kept for KEEP_SENT. */
#ifndef API_RESEND_H
#define API_RESEND_H

#include "api/request.h"

void resend_run(struct request *r);

#endif
