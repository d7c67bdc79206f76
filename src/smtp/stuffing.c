#include "smtp/stuffing.h"

#include <string.h>

void smtp_stuffing_start(struct smtp_stuffing *s, const char *message, size_t len)
{
	s->at = message;
	s->end = len > 0 ? message + len : message; /* message may be NULL when it is empty */
	s->line_start = true;
	s->ended = len == 0;
}

/* How many of the next n bytes can go as they are: whole lines that end in CRLF, up to one that begins
 * with a dot, and what is before the first other CR or LF. */
static size_t clean_len(const char *at, size_t n)
{
	size_t len = 0;

	do {
		const char *lf = memchr(at + len, '\n', n - len);
		size_t stop = lf != NULL ? (size_t)(lf - at) : n;
		const char *cr = memchr(at + len, '\r', stop - len);

		if (cr == NULL)
			return stop;
		if (lf == NULL || cr != lf - 1)
			return (size_t)(cr - at);
		len = stop + 1;
	} while (len < n && at[len] != '.');
	return len;
}

size_t smtp_stuffing_next(struct smtp_stuffing *s, char *out, size_t room)
{
	char *to = out, *limit = out + room;
	size_t n;

	while (s->at < s->end && limit - to >= 2) {
		if (s->line_start && *s->at == '.')
			*to++ = '.';
		n = (size_t)(s->end - s->at);
		if (n > (size_t)(limit - to))
			n = (size_t)(limit - to);
		n = clean_len(s->at, n);
		if (n > 0) {
			memcpy(to, s->at, n);
			to += n;
			s->at += n;
			s->line_start = to[-1] == '\n';
		} else if (limit - to >= 2) { /* a CR or an LF; CR LF is one end of line */
			s->at += *s->at == '\r' && s->end - s->at > 1 && s->at[1] == '\n' ? 2 : 1;
			memcpy(to, "\r\n", 2);
			to += 2;
			s->line_start = true;
		}
	}
	if (s->at == s->end && !s->ended && (s->line_start || limit - to >= 2)) {
		if (!s->line_start) {
			memcpy(to, "\r\n", 2);
			to += 2;
		}
		s->ended = true;
	}
	return (size_t)(to - out);
}

bool smtp_stuffing_done(const struct smtp_stuffing *s)
{
	return s->at == s->end && s->ended;
}
