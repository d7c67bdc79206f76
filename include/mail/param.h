/* param.h - a parameter of a structured header: filename="…" (RFC 2045, and RFC 2231 for what is
 * not plain ASCII).
 *
 * Not GMime's: it cuts long values within characters, and readers that decode the pieces singly
 * show something else. */
#ifndef MAIL_PARAM_H
#define MAIL_PARAM_H

#include "base/buf.h"

/* Appends ";", a line end and the parameter, the last line without an end. The value is UTF-8
 * without control characters, at most some 400 bytes if it is ASCII (it is not folded then). */
void param_add(struct buf *out, const char *name, const char *value);

#endif
