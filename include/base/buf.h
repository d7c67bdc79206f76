/* buf.h - a growable byte buffer that declares its maximum at init.
 *
 * Adding past the maximum adds nothing and sets `failed`, which stays set until buf_clear, so that
 * a series of additions is checked once, by buf_ok. `data` is always NUL-terminated after the
 * first addition (the NUL is not counted in `len`). */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

struct buf {
	char *data; /* NULL until something is added */
	size_t len; /* bytes in use */
	size_t cap; /* bytes allocated */
	size_t max; /* bytes it may grow to */
	bool failed;
};

void buf_init(struct buf *b, size_t max);
void buf_add(struct buf *b, const void *bytes, size_t n);
void buf_add_str(struct buf *b, const char *s);
void buf_add_char(struct buf *b, char c);
void buf_add_int(struct buf *b, int64_t n); /* decimal */
void buf_addf(struct buf *b, const char *format, ...) PRINTF_LIKE(2, 3);
void buf_add_json(struct buf *b, const char *s, size_t n); /* a JSON string with its quotes; bad UTF-8 and NUL become U+FFFD */

/* Makes room for n more bytes and returns where they go, or NULL when that is past the maximum.
 * The caller writes there and adds to `len` itself. */
char *buf_reserve(struct buf *b, size_t n) MUST_CHECK;

void buf_consume(struct buf *b, size_t n); /* drops the first n bytes (n <= len) */
void buf_clear(struct buf *b);             /* len = 0, keeps the memory */
bool buf_ok(const struct buf *b) MUST_CHECK;
const char *buf_str(const struct buf *b);  /* "" when empty */
char *buf_take(struct buf *b) MUST_CHECK;  /* the bytes, now the caller's (mem_free); the buffer is empty after */
void buf_free(struct buf *b);

#endif
