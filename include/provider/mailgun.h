/* mailgun.h - Mailgun, v3 messages.mime: the message as we compose it, byte for byte.
 *
 *     mailgun://KEY:DOMAIN@default?region=eu&testmode=1
 *
 *   region    us (default) or eu: where the domain was set up
 *   testmode  1: Mailgun takes the mail and does not deliver it (but bills it)
 *
 * and the parameters of http_dsn.h. Tags are its o:tag, metadata its v:…, which its recipients can
 * see (X-Mailgun-Variables). It has no idempotency key; our Message-ID is the mail's. */
#ifndef PROVIDER_MAILGUN_H
#define PROVIDER_MAILGUN_H

#include <stdbool.h>

#include "base/attr.h"
#include "base/error.h"
#include "mail/outcome.h"
#include "provider/addressees.h"
#include "provider/http_call.h"
#include "provider/http_reply.h"
#include "provider/provider.h"

/* All pure. Body and content type of the call. */
bool mailgun_body(struct http_call *call, const struct delivery *d, const struct addressees *to,
                  bool testmode, struct error *err) MUST_CHECK;
void mailgun_judge(struct outcome *o, const struct http_reply *r);
const char *mailgun_refuses(const struct job *job);

#endif
