#include "mail/trace_context.h"

#include <string.h>

#include "mail/text.h"

/* Copies n hex digits and a NUL, and moves on. False: they are none, or all zero where they may not. */
static bool take_hex(const char **at, size_t n, char *out, bool may_be_zero)
{
	bool zero = true;

	for (size_t i = 0; i < n; i++) {
		char c = (*at)[i];

		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
			return false; /* also at the end of the text */
		zero = zero && c == '0';
		out[i] = c;
	}
	out[n] = '\0';
	*at += n;
	return may_be_zero || !zero;
}

bool trace_context_read(struct trace_context *c, const char *text)
{
	char version[3], flags[3];
	const char *s = text;

	if (!take_hex(&s, 2, version, true) || strcmp(version, "ff") == 0 || *s++ != '-' ||
	    !take_hex(&s, TRACE_ID_LEN, c->trace_id, false) || *s++ != '-' ||
	    !take_hex(&s, TRACE_SPAN_LEN, c->span_id, false) || *s++ != '-' ||
	    !take_hex(&s, 2, flags, true))
		return false;
	c->sampled = strchr("13579bdf", flags[1]) != NULL;
	if (*s == '\0')
		return true;
	return strcmp(version, "00") != 0 && *s == '-' && strlen(text) <= TRACE_PARENT_MAX &&
	       !text_has_control(s, strlen(s));
}

void trace_context_write(const struct trace_context *c, char out[TRACE_PARENT_LEN + 1])
{
	memcpy(out, "00-", 3);
	memcpy(out + 3, c->trace_id, TRACE_ID_LEN);
	out[35] = '-';
	memcpy(out + 36, c->span_id, TRACE_SPAN_LEN);
	memcpy(out + 52, c->sampled ? "-01" : "-00", 4);
}

static const char digits[] = "0123456789abcdef";

void trace_context_hex(char out[TRACE_SPAN_LEN + 1], uint64_t n)
{
	for (int i = TRACE_SPAN_LEN - 1; i >= 0; i -= 2, n >>= 8) {
		out[i] = digits[n & 15];
		out[i - 1] = digits[n >> 4 & 15];
	}
	out[TRACE_SPAN_LEN] = '\0';
}
