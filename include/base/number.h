/* number.h - text to numbers, strictly: the whole text must be the number.
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

#endif
