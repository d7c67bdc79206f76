/* postmark.h - Postmark, /email.
 *
 *     postmark://SERVER_TOKEN@default?message_stream=outbound
 *
 *   message_stream  which; default Postmark's own default, outbound
 *
 * and the parameters of http_dsn.h. The token POSTMARK_API_TEST makes Postmark check a mail and
 * deliver nothing. It takes one tag. It has no idempotency key; our Message-ID goes along, with the
 * header X-PM-KeepID that makes Postmark keep it. */
#ifndef PROVIDER_POSTMARK_H
#define PROVIDER_POSTMARK_H

#include "base/buf.h"
#include "mail/job.h"
#include "mail/outcome.h"
#include "provider/addressees.h"
#include "provider/http_reply.h"
#include "provider/provider.h"

/* All pure. message_stream "": none is named. */
void postmark_body(struct buf *out, const struct job *job, const char *message_id,
                   const struct addressees *to, const char *message_stream);
void postmark_judge(struct outcome *o, const struct http_reply *r);
/* "Message OK, but will not deliver to these inactive addresses: …" */
void postmark_mark_refused(const struct http_reply *r, const struct addressees *to, struct delivery *d);
const char *postmark_refuses(const struct job *job);

#endif
