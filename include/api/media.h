/* media.h - which of two kinds of answers does a client want? */
#ifndef API_MEDIA_H
#define API_MEDIA_H

#include <stdbool.h>

#include "base/attr.h"

/* Does this Accept header (NULL: there is none; RFC 9110, 12.5.1) name `type`, and nothing with more weight that would
 * match `other`? That is: `other` is what is given to all who do not ask for `type`. Both are as in "text/plain". */
bool media_prefers(const char *accept, const char *type, const char *other) MUST_CHECK;

#endif
