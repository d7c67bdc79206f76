/* ses.h - Amazon SES, API v2 SendEmail.
 *
 *     ses://ACCESS_KEY:SECRET@default?region=eu-west-1
 *
 *   region             which; there is no default
 *   session_token      of temporary credentials
 *   mode               raw (default): the message as we compose it, byte for byte but for the
 *                      Message-ID and Date, which SES replaces; simple: SES composes it
 *   configuration_set  the name of one
 *
 * and the parameters of http_dsn.h. Tags and metadata are its EmailTags: metadata by its names, a
 * mail's tags as tag, tag2, tag3 … It has no idempotency key. Requests are signed (sigv4.h) with
 * our clock, which is set right by SES's own when SES says that it is wrong. */
#ifndef PROVIDER_SES_H
#define PROVIDER_SES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/error.h"
#include "mail/outcome.h"
#include "provider/addressees.h"
#include "provider/http_reply.h"
#include "provider/provider.h"

struct ses_options {
	bool simple;
	const char *configuration_set; /* "" none */
};

/* All pure. */
bool ses_body(struct buf *out, const struct delivery *d, const struct addressees *to,
              const struct ses_options *o, struct error *err) MUST_CHECK;
void ses_judge(struct outcome *o, const struct http_reply *r);
const char *ses_refuses(const struct job *job, bool simple);
/* How far our clock is behind theirs, s, when the reply complains of it; 0: it does not. */
int64_t ses_clock_error(const struct http_reply *r, int64_t our_epoch_s);

#endif
