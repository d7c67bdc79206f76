/* http_server.h - a server of the mail APIs of our own (http_server.py, http_shapes.py).
 *
 * It checks each request against what the providers document (method, path, credentials, every
 * field, SES's signature recomputed), keeps the mail in one form for all of them, and answers as
 * they do; or it misbehaves. How is said by the endpoint's path (…/do/<behaviour>/sendgrid), or by
 * the first recipient's address: <behaviour>.<rest>@<domain>, or <behaviour>-<n>.<rest>@<domain>
 * for the first n times that it meets that address.
 *
 *   refuse, sender, quota, account, throttle, large    the provider's documented replies
 *   inactive, partly (Postmark), concurrent (Resend), continue (100 and 103 before the reply)
 *   gateway 502, timeout 504, busy 500, unwell 503, away 503 with Retry-After: 2, redirect 302
 *   gone 410            (for webhooks, at …/hook)
 *   slow-down 429 with Retry-After: 1, refuse-one (for traces, at …/hook/v1/traces: one span is refused)
 *   echo                400 with the credentials in its words
 *   reset, close, silent, partial, partial-head, drip, huge, huge-head, huge-line, garbage
 *                       once the whole request is there; with keep- before it, the mail is kept
 *
 * Only in a path, for they come earlier:
 *   reset-head, early-400                   when the head is there
 *   hangup-held, half-close-held, reset-held, held-401, held-202, held-502
 *                                           when everything but the last byte is
 *   slow-read                               takes a kilobyte at a time
 *   chaos                                   half of all requests fare well, the others in any of these ways
 *   dead-next                               the next request on the connection is not answered */
#ifndef SUPPORT_HTTP_SERVER_H
#define SUPPORT_HTTP_SERVER_H

#include <stddef.h>

#include "base/attr.h"
#include "support/tally.h"

struct http_server;

struct http_server *http_server_start(void) MUST_CHECK;
/* Speaks TLS; both are PEM files. */
struct http_server *http_server_start_tls(const char *certificate, const char *key) MUST_CHECK;
void http_server_free(struct http_server *s); /* NULL is fine */

int http_server_port(const struct http_server *s);
/* "http://127.0.0.1:<port>/do/<behaviour>/<api>"; behaviour NULL: well. Valid until the next call. */
const char *http_server_url(struct http_server *s, const char *behaviour, const char *api);

/* How many lines one of its files has: connections, heads, held, wholes, wrong, taken, fates, hooks. */
size_t http_server_count(const struct http_server *s, const char *file);
void http_server_wait(const struct http_server *s, const char *file, size_t n);   /* at least n */
char *http_server_read(const struct http_server *s, const char *file) MUST_CHECK; /* free */
/* The n-th mail kept, from 1: its JSON; a new string (free). */
char *http_server_mail(const struct http_server *s, size_t n) MUST_CHECK;
struct tally *http_server_tally(const struct http_server *s) MUST_CHECK;

void http_server_clear(struct http_server *s); /* it forgets what it has noted and kept */

/* Fails the test with what was not as documented, if anything was. */
void http_server_check(const struct http_server *s);

#endif
