#include "mail/text.h"

#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

bool text_is_ascii(const char *s, size_t n)
{
	unsigned char all = 0;

	for (size_t i = 0; i < n; i++)
		all |= (unsigned char)s[i];
	return all < 0x80;
}

static bool has_control(const char *s, size_t n, unsigned char fine)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];

		if ((c < 0x20 || c == 0x7f) && c != fine)
			return true;
		/* U+0080 to U+009F are C2 80 to C2 9F. */
		if (c == 0xc2 && i + 1 < n && (unsigned char)s[i + 1] < 0xa0)
			return true;
	}
	return false;
}

bool text_has_control(const char *s, size_t n)
{
	return has_control(s, n, ' ');
}

bool text_has_control_but_tab(const char *s, size_t n)
{
	return has_control(s, n, '\t');
}

bool text_is_key(const char *s, size_t n, size_t max)
{
	if (n == 0 || n > max || text_has_control(s, n) || !utf8_valid(s, n))
		return false;
	for (size_t i = 0; i < n; i++)
		if (s[i] == '{' || s[i] == '}')
			return false;
	return true;
}

/* The length of a quoted local part (RFC 5321, section 4.1.2) that an @ follows; 0: there is none. */
static size_t quoted_local(const char *text)
{
	size_t i = 1;

	if (*text != '"')
		return 0;
	while (text[i] != '\0' && text[i] != '"')
		i += text[i] == '\\' && text[i + 1] != '\0' ? 2 : 1;
	return text[i] == '"' && text[i + 1] == '@' ? i + 1 : 0;
}

void text_mask_addresses(char *out, size_t size, const char *text)
{
	static const char delimiters[] = " <>()[],;\"";
	size_t len = 0;

	out[0] = '\0';
	while (*text != '\0' && len + 1 < size) {
		size_t quoted = quoted_local(text);
		size_t n = quoted + strcspn(text + quoted, delimiters);
		const char *at = n > 0 ? memrchr(text, '@', n) : NULL;
		size_t shown = at == NULL || at == text || quoted > 0 ? 0 : utf8_width(text, n);
		int wrote;

		if (at == NULL)
			wrote = snprintf(out + len, size - len, "%.*s", (int)(n > 0 ? n : 1), text);
		else
			wrote = snprintf(out + len, size - len, "%.*s***%.*s", (int)shown, text,
			                 (int)(text + n - at), at);
		len += (size_t)wrote;
		text += n > 0 ? n : 1;
	}
}
