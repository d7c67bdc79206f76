/* body.h - the content of a part in a transfer encoding that any server takes: 7 bit, lines of at
 * most 998 bytes that end in CRLF, no bare CR or LF. */
#ifndef MAIL_BODY_H
#define MAIL_BODY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

enum body_encoding { BODY_7BIT, BODY_QUOTED_PRINTABLE, BODY_BASE64 };

const char *body_encoding_name(enum body_encoding encoding); /* for Content-Transfer-Encoding */

/* For text: as it is when it is plain ASCII in lines of at most 78, else whichever of
 * quoted-printable and base64 is shorter. */
enum body_encoding body_choose(const char *text, size_t n);

/* Appends text. Every line end of it (CRLF, CR or LF) becomes CRLF; none is added at the end. */
void body_add_text(struct buf *out, const char *text, size_t n, enum body_encoding encoding);

/* Appends bytes in base64, in lines of 76, the last one ended too. */
void body_add_bytes(struct buf *out, const void *bytes, size_t n);

/* Can it go as it is, but for its line ends: ASCII without NUL, no line over 998? */
bool body_is_7bit(const char *text, size_t n);

#endif
