#include "mail/param.h"

#include <glib.h>
#include <stdbool.h>
#include <string.h>

#include "base/utf8.h"
#include "mail/text.h"

#define LINE 78
#define CHARSET "UTF-8''"

/* RFC 2231's attribute-char: a token's, but for ' % and *. */
static bool is_attribute_char(unsigned char c)
{
	return g_ascii_isalnum(c) || (c != '\0' && strchr("!#$&+-.^_`{|}~", c) != NULL);
}

static void add_quoted(struct buf *out, const char *name, const char *value)
{
	buf_addf(out, ";\r\n %s=\"", name);
	for (; *value != '\0'; value++) {
		if (*value == '"' || *value == '\\')
			buf_add_char(out, '\\');
		buf_add_char(out, *value);
	}
	buf_add_char(out, '"');
}

static size_t encoded_width(const char *s, size_t n)
{
	size_t width = 0;

	for (size_t i = 0; i < n; i++)
		width += is_attribute_char((unsigned char)s[i]) ? 1 : 3;
	return width;
}

static void add_encoded(struct buf *out, const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];

		if (is_attribute_char(c))
			buf_add_char(out, (char)c);
		else
			buf_addf(out, "%%%02X", c);
	}
}

/* As many whole characters as fit into `room`; never none. */
static size_t fitting(const char *s, size_t n, size_t room)
{
	size_t taken = 0, used = 0;

	while (taken < n) {
		size_t width = utf8_width(s + taken, n - taken);

		width = width > 0 ? width : 1;
		used += encoded_width(s + taken, width);
		if (used > room && taken > 0)
			break;
		taken += width;
	}
	return taken;
}

void param_add(struct buf *out, const char *name, const char *value)
{
	size_t n = strlen(value), taken;
	const size_t frame = strlen(name) + strlen(" *99*=;") + strlen(CHARSET);

	if (text_is_ascii(value, n)) {
		add_quoted(out, name, value);
		return;
	}
	if (frame + encoded_width(value, n) <= LINE) {
		buf_addf(out, ";\r\n %s*=" CHARSET, name);
		add_encoded(out, value, n);
		return;
	}
	for (int piece = 0; n > 0; piece++, value += taken, n -= taken) {
		buf_addf(out, ";\r\n %s*%d*=%s", name, piece, piece == 0 ? CHARSET : "");
		taken = fitting(value, n, LINE - frame);
		add_encoded(out, value, taken);
	}
}
