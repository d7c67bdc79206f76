/* number.h - text to numbers, strictly: the whole text must be the number; and back.
 *
 * No leading blanks, no '+', no hexadecimal, and the locale plays no part. False: the text is not
 * such a number or does not fit; *out is untouched. */
#ifndef BASE_NUMBER_H
#define BASE_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"

bool number_int(const char *text, int64_t *out) MUST_CHECK;
/* Digits with at most one decimal point and at most 15 significant digits: 0.7, 12, -3.25. */
bool number_double(const char *text, double *out) MUST_CHECK;
/* "1500ms", "30s", "5m", "1h", "2d", or plain ms. */
bool number_duration(const char *text, int64_t *ms) MUST_CHECK;

#define NUMBER_MAX 20 /* characters of an int64_t */
/* Writes n in decimal so that it ends before `end`, without a NUL; returns where it begins. */
char *number_before(char *end, int64_t n) MUST_CHECK;

#endif
