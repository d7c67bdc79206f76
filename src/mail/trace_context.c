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
	c->state = NULL;
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

/* ---- tracestate ------------------------------------------------------------------------------- */

#define MAX_KEY 256
#define MAX_VALUE 256

static bool is_key(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		bool word = (s[i] >= 'a' && s[i] <= 'z') || (s[i] >= '0' && s[i] <= '9');

		if (!word && (i == 0 || s[i] == '\0' || strchr("_-*/@", s[i]) == NULL))
			return false;
	}
	return n > 0 && n <= MAX_KEY;
}

/* Blanks before it are its own; those behind it are not, and are not in it any more. */
static bool is_value(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (s[i] < ' ' || s[i] > '~' || s[i] == '=')
			return false;
	return n > 0 && n <= MAX_VALUE;
}

struct member {
	const char *key;
	size_t n;
};

/* One key=value into list[n], unless its key is there. */
static bool take_member(struct member *list, size_t n, const char *text, size_t len)
{
	const char *equals = memchr(text, '=', len);
	size_t n_key = equals != NULL ? (size_t)(equals - text) : 0;

	if (n == TRACE_STATE_MEMBERS || !is_key(text, n_key) ||
	    !is_value(equals + 1, len - n_key - 1))
		return false;
	for (size_t i = 0; i < n; i++)
		if (list[i].n == n_key && memcmp(list[i].key, text, n_key) == 0)
			return false;
	list[n] = (struct member){text, n_key};
	return true;
}

bool trace_state_valid(const char *text)
{
	struct member list[TRACE_STATE_MEMBERS];
	size_t n = 0;

	if (strlen(text) > TRACE_STATE_MAX)
		return false;
	for (;;) {
		size_t len, whole;

		text += strspn(text, " \t");
		whole = len = strcspn(text, ",");
		while (len > 0 && (text[len - 1] == ' ' || text[len - 1] == '\t'))
			len--;
		if (len > 0 && !take_member(list, n++, text, len))
			return false;
		if (text[whole] == '\0')
			return n > 0;
		text += whole + 1;
	}
}

/* ---- ids ---------------------------------------------------------------------------------------- */

static const char digits[] = "0123456789abcdef";

void trace_context_hex(char out[TRACE_SPAN_LEN + 1], uint64_t n)
{
	for (int i = TRACE_SPAN_LEN - 1; i >= 0; i -= 2, n >>= 8) {
		out[i] = digits[n & 15];
		out[i - 1] = digits[n >> 4 & 15];
	}
	out[TRACE_SPAN_LEN] = '\0';
}
