/* json.h - what jsonw.h has not: numbers, null and points in time as members. */
#ifndef API_JSON_H
#define API_JSON_H

#include <stdint.h>

#include "base/buf.h"

void json_int(struct buf *b, const char *name, int64_t n);
void json_int_or_null(struct buf *b, const char *name, int64_t n); /* negative: null */
void json_bool(struct buf *b, const char *name, int yes);
void json_real(struct buf *b, const char *name, double x); /* six digits */
void json_text_or_null(struct buf *b, const char *name, const char *s); /* NULL and "": null */
/* RFC 3339, UTC, with milliseconds; 0: null. */
void json_time(struct buf *b, const char *name, int64_t epoch_ms);
void json_now(struct buf *b, const char *name); /* the wall clock */

#endif
