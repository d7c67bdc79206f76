/* timestamp.h - points in time as people and mail write them; epoch milliseconds within. */
#ifndef MAIL_TIMESTAMP_H
#define MAIL_TIMESTAMP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"

#define TIMESTAMP_MAX_MS INT64_C(253402300799999) /* the last millisecond of the year 9999 */
#define TIMESTAMP_RFC5322_SIZE 40                 /* "Tue, 24 Nov 2026 10:00:00 +0000" and the NUL */
#define TIMESTAMP_RFC3339_SIZE 32                 /* "2026-11-24T10:00:00.123Z" and the NUL */

/* RFC 3339 date-time to epoch ms: "2026-11-24T10:00:00.5+01:00"; "Z", fractions (cut at ms), leap
 * second 60 (the second after it), "t", "z" or a space between date and time. The whole text must
 * be one; before 1970 the result is negative. */
bool timestamp_parse(const char *text, int64_t *ms) MUST_CHECK;

/* RFC 3339 date-time in UTC, with milliseconds; the range as below. */
void timestamp_rfc3339(char out[TIMESTAMP_RFC3339_SIZE], int64_t ms);

/* RFC 5322 date-time in UTC, as a Date header holds it; ms from 0 to TIMESTAMP_MAX_MS, what is
 * beyond is taken for the nearest. */
void timestamp_rfc5322(char out[TIMESTAMP_RFC5322_SIZE], int64_t ms);

#endif
