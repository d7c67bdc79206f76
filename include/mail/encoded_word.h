/* encoded_word.h - RFC 2047 encoded words, for what a header's plain ASCII cannot hold.
 *
 * Not GMime's: 3.2 makes words longer than the 75 characters that RFC 2047 allows, and leaves text
 * that looks like an encoded word as it is, so that receivers would show something else. */
#ifndef MAIL_ENCODED_WORD_H
#define MAIL_ENCODED_WORD_H

#include <stddef.h>

#include "base/buf.h"

#define ENCODED_WORD_LINE 76 /* the longest line that may hold encoded words */

/* Appends n bytes of UTF-8 as encoded words (Q or B, whichever is shorter), each of whole
 * characters and at most 75 long. Before each one stands a blank, or a line end and a blank where
 * the line would grow too long. *column is how long the present line is, kept up to date. */
void encoded_word_add(struct buf *out, const char *s, size_t n, size_t *column);

#endif
