/* webhook_call.h - one HTTP request of a webhook, by Standard Webhooks 1.0.0.
 *
 * Headers webhook-id (the same for all attempts), webhook-timestamp (of this attempt) and
 * webhook-signature: "v1," and the base64 of HMAC-SHA256 over "<id>.<timestamp>.<body>", once for
 * each secret, with a blank between, so that secrets can be changed one side after the other. */
#ifndef PROVIDER_WEBHOOK_CALL_H
#define PROVIDER_WEBHOOK_CALL_H

#include <stddef.h>
#include <stdint.h>

#include "provider/http_call.h"
#include "provider/webhook_rules.h"

#define WEBHOOK_MAX_BODY 20000 /* bytes: receivers may refuse more, says the specification */

/* An empty call. id: without a dot. now_s: epoch seconds. */
void webhook_call_fill(struct http_call *c, const struct webhook_rules *r, const char *url, const char *id,
                       int64_t now_s, const char *body, size_t len);

#endif
