/* stream.h - server-sent events (HTML Living Standard, 9.2): an answer that does not end by itself.
 *
 * What is sent waits here until the client has taken it; a client that takes nothing for API_TIMEOUT is cut off. */
#ifndef API_STREAM_H
#define API_STREAM_H

#include <stdbool.h>
#include <stddef.h>

#include "api/request.h"
#include "base/attr.h"

#define STREAM_MAX ((size_t)4 << 20) /* bytes that may wait */

struct stream;
struct MHD_Response;

/* Answers the request. closed is called once, when the client has gone or the stream was ended and taken; the stream
 * is not there any more after that. */
struct stream *stream_open(struct request *r, void (*closed)(void *data), void *data) MUST_CHECK;

bool stream_idle(const struct stream *s); /* all that was sent has been taken */
/* data: one line, without line breaks. What does not fit ends the stream. */
void stream_send(struct stream *s, const char *event, const char *data, size_t n);
void stream_end(struct stream *s);

/* For server.c. */
struct MHD_Response *stream_response(struct stream *s) MUST_CHECK;

#endif
