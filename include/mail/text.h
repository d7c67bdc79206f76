/* text.h - what a string from outside holds, asked before it is let into a header, a key or an
 * address. */
#ifndef MAIL_TEXT_H
#define MAIL_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* No byte above 127. */
bool text_is_ascii(const char *s, size_t n);

/* A control character: below 0x20 (so CR, LF, TAB and NUL too), 0x7f, and U+0080 to U+009F, which
 * some software takes for line ends. */
bool text_has_control(const char *s, size_t n);
bool text_has_control_but_tab(const char *s, size_t n); /* the same, but TAB is fine */

/* Printable UTF-8 of 1 to max bytes without control characters and without braces: what may be part
 * of the name of a Redis key (braces would choose its slot). */
bool text_is_key(const char *s, size_t n, size_t max);

/* Copies a text without whole addresses: "<ada@x.org> is full" becomes "<a***@x.org> is full". Cut to
 * fit. */
void text_mask_addresses(char *out, size_t size, const char *text);

#endif
