/* lookup.h - GET /api/email/status/{key}: what is known of one mail. */
#ifndef API_LOOKUP_H
#define API_LOOKUP_H

#include "api/request.h"
#include "base/buf.h"
#include "fleet/mail_view.h"

void lookup_run(struct request *r);

/* Writes a mail's status, which was found, as JSON. */
void lookup_write(struct buf *out, const struct mail_view *v);

#endif
