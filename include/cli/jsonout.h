/* jsonout.h - what --json prints: a text that jsonw has written. */
#ifndef CLI_JSONOUT_H
#define CLI_JSONOUT_H

#include "base/buf.h"

#define JSONOUT_MAX ((size_t)1 << 30) /* for buf_init */

/* Prints one value, on one line, or laid out when stdout is a terminal; frees the buffer. One that did not fit is told on
 * stderr. */
void jsonout_print(struct buf *json);

#endif
