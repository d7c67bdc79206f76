/* line.h - text put together from pieces in a place of fixed size, where printf would cost more than all
 * else that is done to a mail. What does not fit is cut, perhaps within a character. */
#ifndef BASE_LINE_H
#define BASE_LINE_H

#include <stddef.h>
#include <stdint.h>

#define LINE_HEX 16 /* digits of line_add_hex */

struct line {
	char *at, *end; /* where the NUL is, and the last place that it can have */
};

/* Begins an empty one in out, which has size bytes (> 0) and is a string from now on. */
struct line line_begin(char *out, size_t size);
void line_add(struct line *l, const char *s);
void line_add_int(struct line *l, int64_t n);  /* decimal */
void line_add_hex(struct line *l, uint64_t n); /* 16 lower-case digits */

void line_copy(char *out, size_t size, const char *s); /* the same of one piece; not into itself */

#endif
