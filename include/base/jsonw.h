/* jsonw.h - writes JSON straight into a buffer: no tree, each byte once.
 *
 *     jsonw_open(b, '{');
 *     jsonw_key(b, "to"); jsonw_open(b, '['); jsonw_str(b, "ada@x.org"); jsonw_close(b, ']');
 *     jsonw_pair(b, "subject", "Hi");
 *     jsonw_close(b, '}');
 *
 * Commas come by themselves: what stands before tells whether one is due. */
#ifndef PROVIDER_JSONW_H
#define PROVIDER_JSONW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

void jsonw_open(struct buf *b, char bracket); /* { or [ */
void jsonw_close(struct buf *b, char bracket);
void jsonw_key(struct buf *b, const char *name);

/* Values. */
void jsonw_str(struct buf *b, const char *s);
void jsonw_strn(struct buf *b, const char *s, size_t n); /* what is no UTF-8, and NUL, become U+FFFD */
void jsonw_int(struct buf *b, int64_t n);
void jsonw_bool(struct buf *b, bool yes);
void jsonw_null(struct buf *b);
void jsonw_raw(struct buf *b, const struct buf *json); /* one that was written apart; if it did not fit, b fails, too */
void jsonw_base64(struct buf *b, const void *bytes, size_t n); /* as a string, in one line */

/* Members: a key and its value. */
void jsonw_pair(struct buf *b, const char *name, const char *s);
void jsonw_pair_if(struct buf *b, const char *name, const char *s); /* NULL and "": nothing at all */
void jsonw_pair_or_null(struct buf *b, const char *name, const char *s); /* NULL and "": null */
void jsonw_pair_int(struct buf *b, const char *name, int64_t n);
void jsonw_pair_int_or_null(struct buf *b, const char *name, int64_t n); /* negative: null */
void jsonw_pair_bool(struct buf *b, const char *name, bool yes);
void jsonw_pair_real(struct buf *b, const char *name, double x); /* six digits; what is not finite: null */
/* RFC 3339, UTC, with milliseconds; 0, and what is past the year 9999: null. */
void jsonw_pair_time(struct buf *b, const char *name, int64_t epoch_ms);
void jsonw_pair_now(struct buf *b, const char *name); /* the wall clock */

/* Bare base64 with padding, in one line, for what is no JSON. */
void jsonw_add_base64(struct buf *b, const void *bytes, size_t n);

#endif
