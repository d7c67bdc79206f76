#include "base/utf8.h"

static bool is_tail(unsigned char c)
{
	return (c & 0xc0) == 0x80;
}

size_t utf8_width(const char *s, size_t n)
{
	const unsigned char *u = (const unsigned char *)s;
	unsigned char low = 0x80, high = 0xbf; /* what the second byte may be */
	size_t width;

	if (n == 0)
		return 0;
	if (u[0] < 0x80)
		return 1;
	if (u[0] >= 0xc2 && u[0] <= 0xdf)
		width = 2;
	else if (u[0] >= 0xe0 && u[0] <= 0xef)
		width = 3;
	else if (u[0] >= 0xf0 && u[0] <= 0xf4)
		width = 4;
	else
		return 0;
	if (u[0] == 0xe0)
		low = 0xa0; /* below: overlong */
	else if (u[0] == 0xed)
		high = 0x9f; /* above: surrogates */
	else if (u[0] == 0xf0)
		low = 0x90;
	else if (u[0] == 0xf4)
		high = 0x8f; /* above: past U+10FFFF */
	if (n < width || u[1] < low || u[1] > high)
		return 0;
	for (size_t i = 2; i < width; i++)
		if (!is_tail(u[i]))
			return 0;
	return width;
}

bool utf8_valid(const char *s, size_t n)
{
	size_t width;

	for (size_t i = 0; i < n; i += width) {
		width = utf8_width(s + i, n - i);
		if (width == 0)
			return false;
	}
	return true;
}

size_t utf8_cut(const char *s, size_t n, size_t max)
{
	size_t cut = max;

	if (n <= max)
		return n;
	/* At most three tail bytes stand before a character's end; more is not UTF-8. */
	while (cut > 0 && max - cut < 3 && is_tail((unsigned char)s[cut]))
		cut--;
	return is_tail((unsigned char)s[cut]) ? max : cut;
}
