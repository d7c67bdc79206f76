#include "mail/outcome.h"

#include <string.h>

#include "base/utf8.h"

const char *outcome_name(enum outcome_kind kind)
{
	static const char *const names[OUTCOME_N] = {
		[OUTCOME_SENT] = "sent",           [OUTCOME_RETRY] = "retry",
		[OUTCOME_THROTTLED] = "throttled", [OUTCOME_PROVIDER_DOWN] = "provider_down",
		[OUTCOME_REJECTED] = "rejected",   [OUTCOME_UNKNOWN] = "unknown",
	};

	return (unsigned)kind < OUTCOME_N ? names[kind] : names[OUTCOME_UNKNOWN];
}

/* The length of a blank or a control character (C1 too) at s; 0: it is neither. */
static size_t blank_width(const char *s, size_t n)
{
	unsigned char c = (unsigned char)*s;

	if (c <= ' ' || c == 0x7f)
		return 1;
	return c == 0xc2 && n > 1 && (unsigned char)s[1] >= 0x80 && (unsigned char)s[1] < 0xa0 ? 2
	                                                                                       : 0;
}

/* Copies s, printable and in one line, as far as whole characters fit. */
static void copy_line(char *out, size_t size, const char *s)
{
	size_t n = s == NULL ? 0 : strlen(s), len = 0;
	bool blank = false; /* one is due before the next character */

	while (n > 0) {
		size_t skip = blank_width(s, n), width = utf8_width(s, n);
		const char *from = width > 0 ? s : UTF8_REPLACEMENT;
		size_t add = width > 0 ? width : strlen(UTF8_REPLACEMENT);

		if (skip > 0) {
			blank = len > 0;
			s += skip;
			n -= skip;
			continue;
		}
		if (len + blank + add >= size)
			break;
		if (blank)
			out[len++] = ' ';
		blank = false;
		memcpy(out + len, from, add);
		len += add;
		skip = width > 0 ? width : 1;
		s += skip;
		n -= skip;
	}
	out[len] = '\0';
}

void outcome_set(struct outcome *o, enum outcome_kind kind, const char *code, const char *text)
{
	struct outcome filled = {.kind = kind};

	/* code and text may be o's own. */
	copy_line(filled.code, sizeof(filled.code), code);
	copy_line(filled.text, sizeof(filled.text), text);
	*o = filled;
}

#define STARS "***"
#define HIDE_CUT 4 /* so much of a secret's beginning is told apart from other words */

static void hide(char *s, size_t size, const char *secret)
{
	size_t n = strlen(secret), stars = strlen(STARS) < n ? strlen(STARS) : n, len;

	for (char *at = s; n > 0 && (at = strstr(at, secret)) != NULL; at += stars) {
		memcpy(at, STARS, stars);
		memmove(at + stars, at + n, strlen(at + n) + 1);
	}
	len = strlen(s);
	if (len + HIDE_CUT < size)
		return;
	/* It was cut, perhaps within the secret. */
	for (size_t part = n < len ? n : len; part >= HIDE_CUT; part--) {
		if (memcmp(s + len - part, secret, part) != 0)
			continue;
		memcpy(s + len - part, STARS, sizeof(STARS));
		return;
	}
}

/* Decisions are made by these, and no server has said them. */
static bool is_our_code(const char *code)
{
	static const char *const ours[] = {CODE_SENDER_REFUSED, CODE_QUOTA, CODE_TOO_LARGE,
	                                   CODE_UNSUPPORTED, CODE_GREYLISTED};

	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		if (strcmp(code, ours[i]) == 0)
			return true;
	return false;
}

void outcome_hide(struct outcome *o, const char *secret)
{
	if (!is_our_code(o->code))
		hide(o->code, sizeof(o->code), secret);
	hide(o->text, sizeof(o->text), secret);
}
