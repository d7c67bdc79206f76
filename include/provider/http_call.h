/* http_call.h - what one HTTP request says: put together by a provider, sent by http_client.
 *
 * Nothing here knows of libcurl, so that what is sent can be tested without a server. The headers
 * hold credentials: they are wiped when cleared. */
#ifndef PROVIDER_HTTP_CALL_H
#define PROVIDER_HTTP_CALL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

#define HTTP_CALL_MAX_URL 4096
#define HTTP_CALL_MAX_HEADERS 16384
#define HTTP_CALL_KEPT 65536 /* a body's memory is kept for the next request up to this size */

struct http_call {
	bool get;           /* no body; else a POST */
	struct buf url;
	struct buf headers; /* lines "Name: value\n" */
	struct buf body;    /* of a POST at least one byte */
};

void http_call_init(struct http_call *c, size_t max_body);
void http_call_clear(struct http_call *c); /* for the next request */
void http_call_free(struct http_call *c);

/* One header; the value holds no line end. */
void http_call_header(struct http_call *c, const char *name, const char *value);
/* "Authorization: Basic …" (RFC 7617). */
void http_call_basic(struct http_call *c, const char *user, const char *password);

/* False: something did not fit into its buffer. */
bool http_call_ok(const struct http_call *c) MUST_CHECK;

#endif
