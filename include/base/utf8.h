/* utf8.h - where characters begin and end in UTF-8 (RFC 3629: no surrogates, nothing overlong). */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

#define UTF8_REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

/* The bytes (1 to 4) of the character at s, of which n bytes are there; 0: it is not valid. */
size_t utf8_width(const char *s, size_t n);
bool utf8_valid(const char *s, size_t n);

/* The longest prefix of s that is at most `max` bytes and does not end in the middle of a
 * character. n bytes are there. */
size_t utf8_cut(const char *s, size_t n, size_t max);

#endif
