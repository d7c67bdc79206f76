#include "smtp/reply.h"

#include <string.h>

#include "base/utf8.h"

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* The length of the enhanced status code (RFC 3463) that the text begins with, 0 for none. Its
 * class must be the reply's: "5.1.1" after 250 is not one. */
static size_t enhanced_len(int code, const char *text, size_t len)
{
	size_t i = 1, digits;

	if (len < 5 || text[0] != (char)('0' + code / 100))
		return 0;
	for (int part = 0; part < 2; part++) {
		if (i >= len || text[i++] != '.')
			return 0;
		for (digits = 0; i < len && is_digit(text[i]); digits++)
			i++;
		if (digits < 1 || digits > 3)
			return 0;
	}
	return i == len || text[i] == ' ' || text[i] == '\t' ? i : 0;
}

/* Adds a line's text: printable, one blank between lines, cut at a whole character. */
static void add_text(struct smtp_reply *r, const char *text, size_t len)
{
	size_t at = strlen(r->text), width;

	while (len > 0 && text[len - 1] == ' ')
		len--;
	if (len > 0 && at > 0 && at < sizeof(r->text) - 1)
		r->text[at++] = ' ';
	for (size_t i = 0; i < len && at < sizeof(r->text) - 1; i += width) {
		width = 1;
		if (text[i] >= ' ' && text[i] <= '~') {
			r->text[at++] = text[i];
			continue;
		}
		width = utf8_width(text + i, len - i);
		if (at + width > sizeof(r->text) - 1)
			break;
		if (width > 1) {
			memcpy(r->text + at, text + i, width);
			at += width;
		} else {
			r->text[at++] = text[i] == '\t' ? ' ' : '?';
			width = 1;
		}
	}
	r->text[at] = '\0';
}

/* One line without its end. False: not a line of an SMTP reply. */
static bool take_line(struct smtp_reply *r, const char *line, size_t len, bool *last)
{
	const char *text = line + 4;
	size_t text_len = len > 4 ? len - 4 : 0, enhanced;
	int code;

	if (len < 3 || line[0] < '2' || line[0] > '5' || !is_digit(line[1]) || !is_digit(line[2]))
		return false;
	if (len > 3 && line[3] != ' ' && line[3] != '-')
		return false;
	code = (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
	if (r->n_lines > 0 && code != r->code)
		return false;
	r->code = code;
	r->n_lines++;
	*last = len == 3 || line[3] == ' ';
	enhanced = enhanced_len(code, text, text_len);
	if (enhanced > 0 && enhanced < sizeof(r->enhanced)) {
		if (r->enhanced[0] == '\0')
			memcpy(r->enhanced, text, enhanced);
		text += enhanced;
		text_len -= enhanced;
		while (text_len > 0 && (*text == ' ' || *text == '\t')) {
			text++;
			text_len--;
		}
	}
	add_text(r, text, text_len);
	return true;
}

enum reply_status smtp_reply_parse(struct smtp_reply *r, const char *data, size_t len, size_t *used,
                                   void (*on_line)(void *arg, const char *text, size_t len),
                                   void *arg)
{
	const char *line, *newline;
	bool last = false;
	size_t n;

	*used = 0;
	while (!last) {
		line = data + *used;
		n = len - *used < REPLY_MAX_LINE ? len - *used : REPLY_MAX_LINE;
		newline = n > 0 ? memchr(line, '\n', n) : NULL;
		if (newline == NULL)
			return n == REPLY_MAX_LINE ? REPLY_BROKEN : REPLY_MORE;
		n = (size_t)(newline - line);
		*used += n + 1;
		if (n > 0 && line[n - 1] == '\r')
			n--;
		if (r->n_lines == REPLY_MAX_LINES || !take_line(r, line, n, &last))
			return REPLY_BROKEN;
		if (on_line != NULL)
			on_line(arg, n > 4 ? line + 4 : "", n > 4 ? n - 4 : 0);
	}
	return REPLY_WHOLE;
}
