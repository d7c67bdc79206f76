/* http_reply.h - what a server answered, and reading it.
 *
 * Only the last response counts (not 100 Continue). What came beyond the bounds is dropped: a reply
 * may say anything, at any length. */
#ifndef PROVIDER_HTTP_REPLY_H
#define PROVIDER_HTTP_REPLY_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"

#define HTTP_REPLY_MAX_BODY 65536
#define HTTP_REPLY_MAX_HEADERS 16384

struct http_reply {
	int status;         /* 0: none yet */
	struct buf headers; /* lines "Name: value\n" */
	struct buf body;
	bool complete;      /* the whole body came, and fitted */
};

void http_reply_init(struct http_reply *r);
void http_reply_clear(struct http_reply *r);
void http_reply_free(struct http_reply *r);

/* One header line as it came, the status line and the empty line too. True: the empty line, so
 * that the head of a response is complete (and of a final one when status >= 200). */
bool http_reply_line(struct http_reply *r, const char *line, size_t n) MUST_CHECK;
/* More of the body. False: more than HTTP_REPLY_MAX_BODY, which is all that is kept. */
bool http_reply_body(struct http_reply *r, const char *bytes, size_t n) MUST_CHECK;

/* The first header of that name, in any case, cut to fit; "" when there is none. Returns out. */
const char *http_reply_header(const struct http_reply *r, const char *name, char *out, size_t size);

/* The body as a JSON object; NULL when it is none. cJSON_Delete. */
cJSON *http_reply_json(const struct http_reply *r) MUST_CHECK;
/* The string member of that name; "" when there is none. NULL is fine. */
const char *http_reply_text(const cJSON *object, const char *name);

/* How long to wait, ms, by the header Retry-After: seconds, or a date; 0 when it does not say. */
int64_t http_reply_retry_after(const struct http_reply *r);
/* Until a point in time (epoch s), ms, at least 1; by the server's own Date when it gives one, for
 * our clock may be wrong. 0: it is past, or no time. */
int64_t http_reply_until(const struct http_reply *r, int64_t epoch_s);

#endif
