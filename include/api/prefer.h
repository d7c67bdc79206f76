/* prefer.h - what a client prefers: the Prefer header (RFC 7240). We know `wait` (4.3). */
#ifndef API_PREFER_H
#define API_PREFER_H

#include <stdint.h>

#define PREFER_MAX_WAIT_S 30

/* How long the client would wait, s, at most PREFER_MAX_WAIT_S; 0: it does not say, or not legibly. text: all
 * its Prefer fields, with commas between; NULL none. The first `wait` counts. */
int64_t prefer_wait(const char *text);

#endif
