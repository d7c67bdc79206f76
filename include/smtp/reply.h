/* reply.h - reads SMTP replies (RFC 5321 4.2, RFC 2034 enhanced codes) from a stream of bytes.
 *
 * Bounded: a line longer than REPLY_MAX_LINE or a reply of more than REPLY_MAX_LINES lines is
 * REPLY_BROKEN, whatever the server sends (FAULTS 28). */
#ifndef SMTP_REPLY_H
#define SMTP_REPLY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"

#define REPLY_MAX_LINE 2048  /* RFC 5321 4.5.3.1.5 asks for 512; be liberal */
#define REPLY_MAX_LINES 256
#define REPLY_MAX_TEXT 512

struct smtp_reply {
	int code;                   /* 200-599 */
	char enhanced[16];          /* "5.1.1" or "" */
	char text[REPLY_MAX_TEXT];  /* the lines' texts joined by a space, printable, cut, without the enhanced code */
	size_t n_lines;
};

enum reply_status { REPLY_MORE, REPLY_WHOLE, REPLY_BROKEN };

/* Takes bytes from data; *used says how many belong to this reply (what follows belongs to the next:
 * pipelining). on_line, when not NULL, is called with each line's text (for EHLO keywords).
 * Call with a zeroed reply at the start of each. REPLY_MORE consumes only whole lines. */
enum reply_status smtp_reply_parse(struct smtp_reply *r, const char *data, size_t len, size_t *used,
                                   void (*on_line)(void *arg, const char *text, size_t len), void *arg) MUST_CHECK;

#endif
