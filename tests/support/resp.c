#include "support/resp.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* The line that begins at `at`; false when its end is not there. */
static bool line_end(const char *bytes, size_t n, size_t at, size_t *next)
{
	const char *end = at < n ? memchr(bytes + at, '\n', n - at) : NULL;

	if (!end)
		return false;
	*next = (size_t)(end - bytes) + 1;
	return true;
}

size_t resp_length(const char *bytes, size_t n)
{
	size_t at = 0, left = 1, next;

	/* Values still to come; an array adds its own. */
	for (; left > 0; left--) {
		long long count;

		if (!line_end(bytes, n, at, &next))
			return 0;
		count = strtoll(bytes + at + 1, NULL, 10);
		if (bytes[at] == '$' && count >= 0)
			next += (size_t)count + 2;
		else if (bytes[at] == '*' && count > 0)
			left += (size_t)count;
		if (next > n)
			return 0;
		at = next;
	}
	return at;
}

void resp_word(const char *command, size_t n, size_t i, char *out, size_t size)
{
	size_t at = 0, next, len;

	out[0] = '\0';
	if (!line_end(command, n, 0, &at))
		return;
	for (;; i--) {
		if (!line_end(command, n, at, &next))
			return;
		len = (size_t)strtoll(command + at + 1, NULL, 10);
		if (i == 0)
			break;
		at = next + len + 2;
	}
	if (len >= size)
		len = size - 1;
	if (next + len <= n) {
		memcpy(out, command + next, len);
		out[len] = '\0';
	}
}
