#include "mail/encoded_word.h"

#include <glib.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <string.h>

#include "base/utf8.h"

#define OPENING_Q "=?UTF-8?Q?"
#define OPENING_B "=?UTF-8?B?"
#define FRAME 12 /* an opening, and the closing ?= */
#define INNER 63 /* what is left of 75 */
#define WORTH 24 /* with less room than this a line is ended first */

/* What may stand for itself in a Q word anywhere, in a phrase too (RFC 2047 5.3). */
static bool is_literal(unsigned char c)
{
	return g_ascii_isalnum(c) || c == '!' || c == '*' || c == '+' || c == '-' || c == '/';
}

static size_t q_width(unsigned char c)
{
	return is_literal(c) || c == ' ' ? 1 : 3;
}

static size_t q_length(const char *s, size_t n)
{
	size_t len = 0;

	for (size_t i = 0; i < n; i++)
		len += q_width((unsigned char)s[i]);
	return len;
}

static size_t b_length(size_t n)
{
	return (n + 2) / 3 * 4;
}

/* The longest run of whole characters whose encoding fits into `room`; never none. In base64, if it
 * is not all of s, one that needs no padding, where there is one: some receivers (GMime) put the
 * words together before they decode them, and stop at padding. */
static size_t fitting(const char *s, size_t n, bool q, size_t room)
{
	size_t taken = 0, len = 0, even = 0;

	while (taken < n) {
		size_t width = utf8_width(s + taken, n - taken);

		if (width == 0)
			width = 1; /* not UTF-8: nobody should have sent it here, but it must end */
		len = q ? len + q_length(s + taken, width) : b_length(taken + width);
		if (len > room && taken > 0)
			return !q && even > 0 ? even : taken;
		taken += width;
		if (taken % 3 == 0)
			even = taken;
	}
	return taken;
}

static void add_q(struct buf *out, const char *s, size_t n)
{
	static const char hex[] = "0123456789ABCDEF";

	buf_add_str(out, OPENING_Q);
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c == ' ')
			buf_add_char(out, '_');
		else if (is_literal(c))
			buf_add_char(out, (char)c);
		else
			buf_add(out, (char[]){'=', hex[c >> 4], hex[c & 15]}, 3);
	}
	buf_add_str(out, "?=");
}

static void add_b(struct buf *out, const char *s, size_t n)
{
	unsigned char encoded[INNER + 5];
	int len = EVP_EncodeBlock(encoded, (const unsigned char *)s, (int)n);

	buf_add_str(out, OPENING_B);
	buf_add(out, encoded, (size_t)len);
	buf_add_str(out, "?=");
}

void encoded_word_add(struct buf *out, const char *s, size_t n, size_t *column)
{
	bool q = q_length(s, n) <= b_length(n);

	while (n > 0) {
		size_t used = *column + 1 + FRAME;
		size_t room = used < ENCODED_WORD_LINE ? ENCODED_WORD_LINE - used : 0;
		size_t taken, before;

		if (room < WORTH && (q ? q_length(s, n) : b_length(n)) > room) {
			buf_add_str(out, "\r\n");
			*column = 0;
			room = INNER;
		}
		taken = fitting(s, n, q, room < INNER ? room : INNER);
		before = out->len;
		buf_add_char(out, ' ');
		if (q)
			add_q(out, s, taken);
		else
			add_b(out, s, taken);
		*column += out->len - before;
		s += taken;
		n -= taken;
	}
}
