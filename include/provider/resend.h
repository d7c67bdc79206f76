/* resend.h - Resend, /emails.
 *
 *     resend://KEY@default
 *
 * with the parameters of http_dsn.h. Tags and metadata are its tags: metadata by its names, a mail's
 * tags as tag, tag2, tag3 … Every attempt of a mail carries the same Idempotency-Key, which Resend
 * remembers for 24 hours: an attempt whose outcome nobody knows can be repeated without a second
 * copy. */
#ifndef PROVIDER_RESEND_H
#define PROVIDER_RESEND_H

#include "base/buf.h"
#include "mail/job.h"
#include "mail/outcome.h"
#include "provider/addressees.h"
#include "provider/http_reply.h"
#include "provider/provider.h"

#define RESEND_KEY_SIZE 64

/* All pure. */
void resend_body(struct buf *out, const struct job *job, const struct addressees *to);
/* By the mail's key, its Message-ID (which has its content), and to whom it still goes. */
void resend_key(char out[RESEND_KEY_SIZE], const struct delivery *d, const struct addressees *to);
void resend_judge(struct outcome *o, const struct http_reply *r);
const char *resend_refuses(const struct job *job);

#endif
