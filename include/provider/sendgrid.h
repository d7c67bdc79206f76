/* sendgrid.h - Twilio SendGrid, v3 mail/send.
 *
 *     sendgrid://KEY@default?region=eu&sandbox=1
 *
 *   region   us (default) or eu: which of the two APIs; an EU subuser's key works only there
 *   sandbox  1: SendGrid checks the mail and delivers nothing (it answers 200, not 202)
 *
 * and the parameters of http_dsn.h. Tags are its categories, metadata its custom_args. It has no
 * idempotency key; our Message-ID goes along as a header. */
#ifndef PROVIDER_SENDGRID_H
#define PROVIDER_SENDGRID_H

#include <stdbool.h>

#include "base/buf.h"
#include "mail/job.h"
#include "mail/outcome.h"
#include "provider/addressees.h"
#include "provider/http_reply.h"

/* All pure. */
void sendgrid_body(struct buf *out, const struct job *job, const char *message_id,
                   const struct addressees *to, bool sandbox);
void sendgrid_judge(struct outcome *o, const struct http_reply *r);
const char *sendgrid_refuses(const struct job *job);

#endif
