/* error.h - why something could not be done, in one sentence for a person.
 *
 * Functions that can fail take a `struct error *` (never NULL) and return false after having
 * filled it with what failed, on which name or key, and what to do. Never holds a secret. */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include <stdbool.h>

#include "base/attr.h"

struct error {
	char text[512]; /* one sentence, no newline, no trailing dot; "" when nothing failed */
};

/* Fills the error and returns false, so that `return error_set(err, …)` reads well.
 * A longer text is cut. */
bool error_set(struct error *err, const char *format, ...) PRINTF_LIKE(2, 3);

/* Puts "context: " before the text that is there; returns false. */
bool error_prefix(struct error *err, const char *format, ...) PRINTF_LIKE(2, 3);

#endif
