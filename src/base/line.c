#include "base/line.h"

#include <string.h>

#include "base/number.h"

struct line line_begin(char *out, size_t size)
{
	*out = '\0';
	return (struct line){out, out + size - 1};
}

static void add(struct line *l, const char *bytes, size_t n)
{
	size_t room = (size_t)(l->end - l->at);

	if (n > room)
		n = room;
	memcpy(l->at, bytes, n);
	l->at += n;
	*l->at = '\0';
}

void line_add(struct line *l, const char *s)
{
	add(l, s, strlen(s));
}

void line_add_int(struct line *l, int64_t n)
{
	char digits[NUMBER_MAX], *end = digits + sizeof(digits), *begin = number_before(end, n);

	add(l, begin, (size_t)(end - begin));
}

void line_add_hex(struct line *l, uint64_t n)
{
	char digits[LINE_HEX];

	for (size_t i = sizeof(digits); i-- > 0; n >>= 4)
		digits[i] = "0123456789abcdef"[n & 15];
	add(l, digits, sizeof(digits));
}

void line_copy(char *out, size_t size, const char *s)
{
	struct line l = line_begin(out, size);

	line_add(&l, s);
}
