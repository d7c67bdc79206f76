#include "mail/body.h"

#include <gmime/gmime.h>
#include <string.h>

#include "base/mem.h"
#include "mail/text.h"
#include "mail/word8.h"

#define NICE_LINE 78    /* RFC 5322 2.1.1: should not be longer … */
#define MAX_LINE 998    /* … and must not */
#define ENCODED_LINE 76 /* RFC 2045 6.7 */
#define CHUNK 4096
#define CHUNK_ENCODED (CHUNK * 2) /* more than base64 with its line ends takes */

const char *body_encoding_name(enum body_encoding encoding)
{
	static const char *const names[] = {
		[BODY_7BIT] = "7bit",
		[BODY_QUOTED_PRINTABLE] = "quoted-printable",
		[BODY_BASE64] = "base64",
	};

	return names[encoding];
}

/* What counts for the choice. */
struct census {
	size_t lines;    /* ended by any of CRLF, CR, LF */
	size_t longest;  /* line */
	size_t escapes;  /* bytes that quoted-printable writes as three */
	size_t controls; /* those of them that are ASCII control characters but TAB */
	bool high;       /* bytes above 127 */
};

/* How many of the next eight bytes need no escape in quoted-printable and end no line. */
static size_t plain_before(const char *p)
{
	uint64_t word = word8_load(p);

	return word8_before(word8_not_text(word) | word8_bytes(word, '=') |
	                    word8_bytes(word, 0x7f));
}

static void count_byte(struct census *c, unsigned char byte)
{
	if (byte >= ' ' && byte < 0x7f && byte != '=')
		return;
	if (byte >= 0x80)
		c->high = true;
	else if (byte != '=' && byte != '\t')
		c->controls++;
	c->escapes++;
}

static struct census take_census(const char *text, size_t n)
{
	struct census c = {0};
	size_t line = 0, i = 0;

	while (i < n) {
		if (n - i >= 8) {
			size_t plain = plain_before(text + i);

			line += plain;
			i += plain;
			if (plain == 8)
				continue;
		}
		if (text[i] == '\n' || text[i] == '\r') {
			c.lines += text[i] == '\n' || i + 1 == n || text[i + 1] != '\n';
			c.longest = line > c.longest ? line : c.longest;
			line = 0;
		} else {
			count_byte(&c, (unsigned char)text[i]);
			line++;
		}
		i++;
	}
	c.longest = line > c.longest ? line : c.longest;
	return c;
}

enum body_encoding body_choose(const char *text, size_t n)
{
	struct census c = take_census(text, n);

	if (!c.high && c.controls == 0 && c.longest <= NICE_LINE)
		return BODY_7BIT;
	return n + c.escapes * 2 <= (n + c.lines) / 3 * 4 ? BODY_QUOTED_PRINTABLE : BODY_BASE64;
}

bool body_is_7bit(const char *text, size_t n)
{
	return text_is_ascii(text, n) && memchr(text, '\0', n) == NULL &&
	       take_census(text, n).longest <= MAX_LINE;
}

/* Appends lines that end in LF as lines that end in CRLF. */
static void add_lines(struct buf *out, const char *text, size_t n)
{
	const char *end;

	while (n > 0 && (end = memchr(text, '\n', n)) != NULL) {
		size_t len = (size_t)(end - text);

		buf_add(out, text, len);
		buf_add(out, "\r\n", 2);
		text += len + 1;
		n -= len + 1;
	}
	buf_add(out, text, n);
}

/* A copy in which every line end is `to`. */
static char *with_line_ends(const char *text, size_t n, const char *to, size_t *n_copy)
{
	size_t n_to = strlen(to), len = 0;
	char *copy = mem_alloc(n * n_to + 1);

	for (size_t i = 0; i < n; i++) {
		if (text[i] != '\r' && text[i] != '\n') {
			copy[len++] = text[i];
			continue;
		}
		if (text[i] == '\r' && i + 1 < n && text[i + 1] == '\n')
			i++;
		for (size_t k = 0; k < n_to; k++)
			copy[len++] = to[k];
	}
	*n_copy = len;
	return copy;
}

/* RFC 2045 6.7, from text whose lines end in LF. (GMime's lines are up to two characters longer
 * than the 76 that are allowed, and it ends what has no line end by a soft one.) */
static void add_quoted_printable(struct buf *out, const char *text, size_t n)
{
	static const char hex[] = "0123456789ABCDEF";
	char line[ENCODED_LINE];
	size_t len = 0;

	for (size_t i = 0; i < n; i++) {
		const unsigned char c = (unsigned char)text[i];
		const bool last = i + 1 == n || text[i + 1] == '\n';
		const bool blank = c == ' ' || c == '\t'; /* kept, but not at the end of a line */
		const bool literal = blank ? !last : c > ' ' && c < 0x7f && c != '=';

		if (c != '\n' && len + (literal ? 1 : 3) + (last ? 0 : 1) > ENCODED_LINE) {
			buf_add(out, line, len);
			buf_add(out, "=\r\n", 3);
			len = 0;
		}
		if (c == '\n') {
			buf_add(out, line, len);
			buf_add(out, "\r\n", 2);
			len = 0;
		} else if (literal) {
			line[len++] = (char)c;
		} else {
			line[len++] = '=';
			line[len++] = hex[c >> 4];
			line[len++] = hex[c & 15];
		}
	}
	buf_add(out, line, len);
}

void body_add_text(struct buf *out, const char *text, size_t n, enum body_encoding encoding)
{
	char *copy = NULL;

	if (encoding == BODY_BASE64)
		text = copy = with_line_ends(text, n, "\r\n", &n);
	else if (memchr(text, '\r', n) != NULL)
		text = copy = with_line_ends(text, n, "\n", &n);
	switch (encoding) {
	case BODY_7BIT:
		add_lines(out, text, n);
		break;
	case BODY_QUOTED_PRINTABLE:
		add_quoted_printable(out, text, n);
		break;
	case BODY_BASE64:
		body_add_bytes(out, text, n);
		break;
	}
	mem_free(copy);
}

void body_add_bytes(struct buf *out, const void *bytes, size_t n)
{
	const char *at = bytes;
	char encoded[CHUNK_ENCODED];
	GMimeEncoding state;
	size_t len;

	g_mime_encoding_init_encode(&state, GMIME_CONTENT_ENCODING_BASE64);
	for (; n > CHUNK; n -= CHUNK, at += CHUNK) {
		len = g_mime_encoding_step(&state, at, CHUNK, encoded);
		add_lines(out, encoded, len);
	}
	len = g_mime_encoding_flush(&state, at, n, encoded);
	add_lines(out, encoded, len);
}
