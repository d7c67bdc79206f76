#include "mail/json.h"

#include <glib.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "mail/text.h"
#include "mail/word8.h"

/* Up to this many members a look at every pair is cheaper than sorting. */
#define FEW_MEMBERS 24
/* The longest name that an error quotes. */
#define MAX_QUOTED 64

struct scan {
	const char *at, *end;
	size_t depth, values;
	const char *why; /* set once, by the function that fails */
};

static bool scan_value(struct scan *s);

static bool scan_fail(struct scan *s, const char *why)
{
	if (s->why == NULL)
		s->why = why;
	return false;
}

static void scan_space(struct scan *s)
{
	while (s->at < s->end &&
	       (*s->at == ' ' || *s->at == '\n' || *s->at == '\t' || *s->at == '\r'))
		s->at++;
}

/* Skips spaces; is the next byte c? Then it is taken. */
static bool scan_take(struct scan *s, char c)
{
	scan_space(s);
	if (s->at == s->end || *s->at != c)
		return false;
	s->at++;
	return true;
}

/* How many of the next eight bytes are plain: no quote, no backslash, no control character, ASCII. */
static size_t plain_before(const char *p)
{
	uint64_t word = word8_load(p);

	return word8_before(word8_not_text(word) | word8_bytes(word, '"') |
	                    word8_bytes(word, '\\'));
}

/* Skips what is plain, as far as whole words go. */
static void scan_plain(struct scan *s)
{
	size_t n = sizeof(uint64_t);

	while (n == sizeof(uint64_t) && s->end - s->at >= (ptrdiff_t)sizeof(uint64_t)) {
		n = plain_before(s->at);
		s->at += n;
	}
}

/* The four digits after \u; -1: they are not. */
static int scan_hex4(struct scan *s)
{
	int value = 0;

	if (s->end - s->at < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		int digit = g_ascii_xdigit_value(s->at[i]);

		if (digit < 0)
			return -1;
		value = value * 16 + digit;
	}
	s->at += 4;
	return value;
}

/* What follows \u. */
static bool scan_unicode(struct scan *s)
{
	int unit = scan_hex4(s), low;

	if (unit < 0)
		return scan_fail(s, "\\u needs four hexadecimal digits");
	if (unit == 0)
		return scan_fail(s, "a NUL character (\\u0000) is not allowed");
	if (unit >= 0xdc00 && unit <= 0xdfff)
		return scan_fail(s, "a lone surrogate");
	if (unit < 0xd800 || unit > 0xdbff)
		return true;
	if (s->end - s->at < 2 || s->at[0] != '\\' || s->at[1] != 'u')
		return scan_fail(s, "a lone surrogate");
	s->at += 2;
	low = scan_hex4(s);
	if (low < 0xdc00 || low > 0xdfff)
		return scan_fail(s, "a lone surrogate");
	return true;
}

static bool scan_escape(struct scan *s)
{
	if (s->at == s->end)
		return scan_fail(s, "the text ends within a string");
	switch (*s->at++) {
	case '"':
	case '\\':
	case '/':
	case 'b':
	case 'f':
	case 'n':
	case 'r':
	case 't':
		return true;
	case 'u':
		return scan_unicode(s);
	default:
		return scan_fail(s, "an unknown escape in a string");
	}
}

/* The rest of a string whose opening quote was taken. */
static bool scan_string(struct scan *s)
{
	for (scan_plain(s); s->at < s->end; scan_plain(s)) {
		unsigned char c = (unsigned char)*s->at;
		size_t width = 1;

		if (c == '\0')
			return scan_fail(s, "a NUL byte is not allowed");
		if (c < 0x20)
			return scan_fail(s, "a control character within a string (write it as an "
			                    "escape, \\n for example)");
		if (c >= 0x80)
			width = utf8_width(s->at, (size_t)(s->end - s->at));
		if (width == 0)
			return scan_fail(s, "broken UTF-8");
		s->at += width;
		if (c == '"')
			return true;
		if (c == '\\' && !scan_escape(s))
			return false;
	}
	return scan_fail(s, "the text ends within a string");
}

static size_t scan_digits(struct scan *s)
{
	const char *from = s->at;

	while (s->at < s->end && g_ascii_isdigit(*s->at))
		s->at++;
	return (size_t)(s->at - from);
}

/* Without an exponent every number that is short enough is finite. */
static bool is_finite(const char *from, size_t len)
{
	char copy[JSON_MAX_NUMBER + 1];

	memcpy(copy, from, len);
	copy[len] = '\0';
	return isfinite(g_ascii_strtod(copy, NULL));
}

static bool scan_number(struct scan *s)
{
	const char *from = s->at;
	bool exponent = false;

	if (*s->at == '-')
		s->at++;
	if (s->at < s->end && *s->at == '0')
		s->at++;
	else if (scan_digits(s) == 0)
		return scan_fail(s, "a value was expected");
	if (s->at < s->end && *s->at == '.') {
		s->at++;
		if (scan_digits(s) == 0)
			return scan_fail(s, "a digit was expected");
	}
	if (s->at < s->end && (*s->at == 'e' || *s->at == 'E')) {
		exponent = true;
		s->at++;
		if (s->at < s->end && (*s->at == '+' || *s->at == '-'))
			s->at++;
		if (scan_digits(s) == 0)
			return scan_fail(s, "a digit was expected");
	}
	if (s->at - from > JSON_MAX_NUMBER)
		return scan_fail(s, "a number is too long");
	if (exponent && !is_finite(from, (size_t)(s->at - from)))
		return scan_fail(s, "a number is too large");
	return true;
}

static bool scan_word(struct scan *s, const char *word)
{
	size_t len = strlen(word);

	if ((size_t)(s->end - s->at) < len || memcmp(s->at, word, len) != 0)
		return scan_fail(s, "a value was expected");
	s->at += len;
	return true;
}

/* The rest of an array or object whose opening bracket was taken. */
static bool scan_members(struct scan *s, bool object)
{
	const char close = object ? '}' : ']';

	if (++s->depth > JSON_MAX_DEPTH)
		return scan_fail(s, "it is nested too deeply");
	if (!scan_take(s, close)) {
		do {
			if (object && !(scan_take(s, '"') ? scan_string(s)
			                                  : scan_fail(s, "a name was expected")))
				return false;
			if (object && !scan_take(s, ':'))
				return scan_fail(s, "a colon was expected");
			if (!scan_value(s))
				return false;
		} while (scan_take(s, ','));
		if (!scan_take(s, close))
			return scan_fail(s, object ? "a comma or } was expected"
			                           : "a comma or ] was expected");
	}
	s->depth--;
	return true;
}

static bool scan_value(struct scan *s)
{
	scan_space(s);
	if (s->at == s->end)
		return scan_fail(s, "the text ends too early");
	if (++s->values > JSON_MAX_VALUES)
		return scan_fail(s, "it holds too many values");
	switch (*s->at) {
	case '"':
		s->at++;
		return scan_string(s);
	case '{':
	case '[':
		s->at++;
		return scan_members(s, s->at[-1] == '{');
	case 't':
		return scan_word(s, "true");
	case 'f':
		return scan_word(s, "false");
	case 'n':
		return scan_word(s, "null");
	case '\0':
		return scan_fail(s, "a NUL byte is not allowed");
	default:
		return scan_number(s);
	}
}

static bool scan_text(struct scan *s)
{
	if (s->end - s->at >= 3 && memcmp(s->at, "\xef\xbb\xbf", 3) == 0)
		return scan_fail(s, "it begins with a byte order mark");
	if (!scan_value(s))
		return false;
	scan_space(s);
	if (s->at != s->end)
		return scan_fail(s, *s->at == '\0' ? "a NUL byte is not allowed"
		                                   : "there is more after the end of the value");
	return true;
}

struct member {
	const cJSON *item;
};

static int compare_names(const void *a, const void *b)
{
	const struct member *x = a, *y = b;

	return strcmp(x->item->string, y->item->string);
}

/* A member of the object whose name another one has too, or NULL. */
static const cJSON *find_twin_sorted(const cJSON *object, size_t n)
{
	struct member *members = mem_array(n, sizeof(*members));
	const cJSON *twin = NULL;
	size_t i = 0;

	for (const cJSON *m = object->child; m != NULL; m = m->next)
		members[i++].item = m;
	qsort(members, n, sizeof(*members), compare_names);
	for (i = 1; i < n && twin == NULL; i++)
		if (compare_names(&members[i - 1], &members[i]) == 0)
			twin = members[i].item;
	mem_free(members);
	return twin;
}

static const cJSON *find_twin(const cJSON *object)
{
	size_t n = 0;

	for (const cJSON *m = object->child; m != NULL; m = m->next)
		n++;
	if (n > FEW_MEMBERS)
		return find_twin_sorted(object, n);
	for (const cJSON *m = object->child; m != NULL; m = m->next)
		for (const cJSON *other = object->child; other != m; other = other->next)
			if (other->string[0] == m->string[0] &&
			    strcmp(other->string, m->string) == 0)
				return m;
	return NULL;
}

/* The same in the whole tree; the scan has bounded its depth. */
static const cJSON *find_twin_within(const cJSON *value)
{
	const cJSON *twin = cJSON_IsObject(value) ? find_twin(value) : NULL;

	for (const cJSON *m = value->child; m != NULL && twin == NULL; m = m->next)
		if (m->child != NULL)
			twin = find_twin_within(m);
	return twin;
}

static bool is_quotable(const char *name)
{
	size_t len = strlen(name);

	return len <= MAX_QUOTED && text_is_ascii(name, len) && !text_has_control(name, len) &&
	       strchr(name, '"') == NULL && strchr(name, ';') == NULL;
}

cJSON *json_parse(const char *text, size_t len, struct error *err)
{
	struct scan s = {.at = text, .end = text + len};
	const cJSON *twin;
	cJSON *tree;

	if (!scan_text(&s)) {
		error_set(err, "not valid JSON: %s, at byte %zu", s.why, (size_t)(s.at - text));
		return NULL;
	}
	tree = cJSON_ParseWithLengthOpts(text, len, NULL, 0);
	if (tree == NULL) {
		/* The scan has passed it: only memory can be missing. */
		error_set(err, "too large for the memory there is");
		return NULL;
	}
	twin = find_twin_within(tree);
	if (twin != NULL) {
		if (is_quotable(twin->string))
			error_set(err, "not valid JSON: \"%s\" is given twice in one object",
			          twin->string);
		else
			error_set(err, "not valid JSON: a name is given twice in one object");
		cJSON_Delete(tree);
		return NULL;
	}
	return tree;
}
