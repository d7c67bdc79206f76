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
	bool memory;     /* it is missing: the text may be fine */
};

/* A string as it stands in the text: without its quotes, all checked. */
struct span {
	const char *from, *to;
	bool escapes;
};

static bool scan_value(struct scan *s, cJSON *item);

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
static bool scan_string(struct scan *s, struct span *span)
{
	*span = (struct span){.from = s->at};
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
		if (c == '"') {
			span->to = s->at - 1;
			return true;
		}
		if (c != '\\')
			continue;
		span->escapes = true;
		if (!scan_escape(s))
			return false;
	}
	return scan_fail(s, "the text ends within a string");
}

/* ---- what was scanned, as cJSON keeps it ---------------------------------------------------------- */

/* Like cJSON's own: to be freed by cJSON_Delete. NULL: no memory. */
static cJSON *new_item(struct scan *s)
{
	cJSON *item = cJSON_malloc(sizeof(*item));

	if (item != NULL)
		memset(item, 0, sizeof(*item));
	else
		s->memory = true;
	return item;
}

static gunichar read_hex4(const char *at)
{
	gunichar value = 0;

	for (int i = 0; i < 4; i++)
		value = value * 16 + (gunichar)g_ascii_xdigit_value(at[i]);
	return value;
}

/* What stands behind a backslash, which moves on; returns how many bytes were written. */
static size_t read_escape(const char **at, char *out)
{
	static const char letters[] = "bfnrt", meant[] = "\b\f\n\r\t";
	const char c = *(*at)++, *letter = strchr(letters, c);
	gunichar character;

	if (c != 'u') {
		*out = letter != NULL ? meant[letter - letters] : c;
		return 1;
	}
	character = read_hex4(*at);
	*at += 4;
	if (character >= 0xd800 && character <= 0xdbff) {
		/* the other half follows as \uXXXX */
		character = 0x10000 + ((character & 0x3ff) << 10) + (read_hex4(*at + 2) & 0x3ff);
		*at += 6;
	}
	return (size_t)g_unichar_to_utf8(character, out);
}

/* No escape is shorter than what it means. */
static char *copy_string(struct scan *s, const struct span *span)
{
	const char *at = span->from;
	char *copy = cJSON_malloc((size_t)(span->to - span->from) + 1), *out = copy;

	if (copy == NULL) {
		s->memory = true;
		return NULL;
	}
	while (at < span->to) {
		size_t left = (size_t)(span->to - at);
		const char *backslash = span->escapes ? memchr(at, '\\', left) : NULL;
		size_t plain = backslash != NULL ? (size_t)(backslash - at) : left;

		memcpy(out, at, plain);
		out += plain;
		at += plain;
		if (backslash == NULL)
			break;
		at++;
		out += read_escape(&at, out);
	}
	*out = '\0';
	return copy;
}

/* ---- values -------------------------------------------------------------------------------------- */

static bool scan_text_value(struct scan *s, cJSON *item)
{
	struct span span;

	if (!scan_string(s, &span))
		return false;
	item->type = cJSON_String;
	item->valuestring = copy_string(s, &span);
	return item->valuestring != NULL;
}

static size_t scan_digits(struct scan *s)
{
	const char *from = s->at;

	while (s->at < s->end && g_ascii_isdigit(*s->at))
		s->at++;
	return (size_t)(s->at - from);
}

static bool scan_number(struct scan *s, cJSON *item)
{
	char copy[JSON_MAX_NUMBER + 1] = "";
	const char *from = s->at;

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
		s->at++;
		if (s->at < s->end && (*s->at == '+' || *s->at == '-'))
			s->at++;
		if (scan_digits(s) == 0)
			return scan_fail(s, "a digit was expected");
	}
	if (s->at - from > JSON_MAX_NUMBER)
		return scan_fail(s, "a number is too long");
	memcpy(copy, from, (size_t)(s->at - from));
	item->type = cJSON_Number;
	if (!isfinite(cJSON_SetNumberHelper(item, g_ascii_strtod(copy, NULL))))
		return scan_fail(s, "a number is too large");
	return true;
}

static bool scan_word(struct scan *s, cJSON *item, const char *word, int type)
{
	size_t len = strlen(word);

	if ((size_t)(s->end - s->at) < len || memcmp(s->at, word, len) != 0)
		return scan_fail(s, "a value was expected");
	s->at += len;
	item->type = type;
	item->valueint = type == cJSON_True;
	return true;
}

static bool scan_name(struct scan *s, cJSON *member)
{
	struct span span;

	if (!scan_take(s, '"'))
		return scan_fail(s, "a name was expected");
	if (!scan_string(s, &span))
		return false;
	member->string = copy_string(s, &span);
	if (member->string == NULL)
		return false;
	return scan_take(s, ':') || scan_fail(s, "a colon was expected");
}

/* The rest of an array or object whose opening bracket was taken. */
static bool scan_members(struct scan *s, cJSON *list, bool object)
{
	const char close = object ? '}' : ']';
	cJSON *last = NULL, *member;

	list->type = object ? cJSON_Object : cJSON_Array;
	if (++s->depth > JSON_MAX_DEPTH)
		return scan_fail(s, "it is nested too deeply");
	if (!scan_take(s, close)) {
		do {
			member = new_item(s);
			if (member == NULL)
				return false;
			/* At once: whatever comes, the tree is freed as a whole. */
			*(last != NULL ? &last->next : &list->child) = member;
			member->prev = last;
			last = member;
			if (object && !scan_name(s, member))
				return false;
			if (!scan_value(s, member))
				return false;
		} while (scan_take(s, ','));
		if (!scan_take(s, close))
			return scan_fail(s, object ? "a comma or } was expected"
			                           : "a comma or ] was expected");
		list->child->prev = last; /* as cJSON has it */
	}
	s->depth--;
	return true;
}

static bool scan_value(struct scan *s, cJSON *item)
{
	scan_space(s);
	if (s->at == s->end)
		return scan_fail(s, "the text ends too early");
	if (++s->values > JSON_MAX_VALUES)
		return scan_fail(s, "it holds too many values");
	switch (*s->at) {
	case '"':
		s->at++;
		return scan_text_value(s, item);
	case '{':
	case '[':
		s->at++;
		return scan_members(s, item, s->at[-1] == '{');
	case 't':
		return scan_word(s, item, "true", cJSON_True);
	case 'f':
		return scan_word(s, item, "false", cJSON_False);
	case 'n':
		return scan_word(s, item, "null", cJSON_NULL);
	case '\0':
		return scan_fail(s, "a NUL byte is not allowed");
	default:
		return scan_number(s, item);
	}
}

static bool scan_all(struct scan *s, cJSON *root)
{
	if (s->end - s->at >= 3 && memcmp(s->at, "\xef\xbb\xbf", 3) == 0)
		return scan_fail(s, "it begins with a byte order mark");
	if (!scan_value(s, root))
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

static bool no_twins(const cJSON *tree, struct error *err)
{
	const cJSON *twin = find_twin_within(tree);

	if (twin == NULL)
		return true;
	if (is_quotable(twin->string))
		return error_set(err, "not valid JSON: \"%s\" is given twice in one object",
		                 twin->string);
	return error_set(err, "not valid JSON: a name is given twice in one object");
}

cJSON *json_parse(const char *text, size_t len, struct error *err)
{
	struct scan s = {.at = text, .end = text + len};
	cJSON *tree = new_item(&s);
	bool ok = tree != NULL && scan_all(&s, tree);

	if (s.memory)
		(void)error_set(err, "too large for the memory there is");
	else if (!ok)
		(void)error_set(err, "not valid JSON: %s, at byte %zu", s.why,
		                (size_t)(s.at - text));
	if (ok && no_twins(tree, err))
		return tree;
	cJSON_Delete(tree);
	return NULL;
}
