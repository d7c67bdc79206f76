#include "base/buf.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/number.h"
#include "base/utf8.h"

#define BUF_FIRST_SIZE 64

void buf_init(struct buf *b, size_t max)
{
	memset(b, 0, sizeof(*b));
	b->max = max < SIZE_MAX ? max : SIZE_MAX - 1; /* the NUL must fit too */
}

char *buf_reserve(struct buf *b, size_t n)
{
	size_t need, cap;

	if (b->failed || n > b->max - b->len) {
		b->failed = true;
		return NULL;
	}
	need = b->len + n + 1;
	if (need > b->cap) {
		cap = b->cap > 0 ? b->cap : BUF_FIRST_SIZE;
		while (cap < need)
			cap = cap > b->max / 2 ? b->max + 1 : cap * 2;
		b->data = mem_realloc(b->data, cap);
		b->cap = cap;
	}
	return b->data + b->len;
}

void buf_add(struct buf *b, const void *bytes, size_t n)
{
	char *to = buf_reserve(b, n);

	if (to == NULL)
		return;
	if (n > 0)
		memcpy(to, bytes, n);
	to[n] = '\0';
	b->len += n;
}

void buf_add_str(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void buf_add_char(struct buf *b, char c)
{
	buf_add(b, &c, 1);
}

void buf_add_int(struct buf *b, int64_t n)
{
	char digits[NUMBER_MAX], *end = digits + sizeof(digits), *begin = number_before(end, n);

	buf_add(b, begin, (size_t)(end - begin));
}

void buf_addf(struct buf *b, const char *format, ...)
{
	va_list args;
	char *to;
	int n;

	va_start(args, format);
	n = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (n < 0) {
		b->failed = true;
		return;
	}
	to = buf_reserve(b, (size_t)n);
	if (to == NULL)
		return;
	va_start(args, format);
	vsnprintf(to, (size_t)n + 1, format, args);
	va_end(args);
	b->len += (size_t)n;
}

static void add_json_escape(struct buf *b, unsigned char c)
{
	static const char short_form[] = {
		['"'] = '"',  ['\\'] = '\\', ['\b'] = 'b', ['\f'] = 'f',
		['\n'] = 'n', ['\r'] = 'r',  ['\t'] = 't',
	};

	if (c < sizeof(short_form) && short_form[c] != '\0') {
		buf_add_char(b, '\\');
		buf_add_char(b, short_form[c]);
	} else {
		buf_addf(b, "\\u%04x", c);
	}
}

void buf_add_json(struct buf *b, const char *s, size_t n)
{
	size_t from = 0, i = 0, width;

	buf_add_char(b, '"');
	while (i < n) {
		unsigned char c = (unsigned char)s[i];

		if (c >= 0x20 && c < 0x7f && c != '"' && c != '\\') {
			i++;
			continue;
		}
		width = utf8_width(s + i, n - i);
		if (width > 1) {
			i += width;
			continue;
		}
		buf_add(b, s + from, i - from);
		if (width == 0 || c == '\0')
			buf_add_str(b, UTF8_REPLACEMENT);
		else
			add_json_escape(b, c);
		from = ++i;
	}
	buf_add(b, s + from, n - from);
	buf_add_char(b, '"');
}

void buf_consume(struct buf *b, size_t n)
{
	if (n == 0)
		return;
	b->len -= n;
	memmove(b->data, b->data + n, b->len);
	b->data[b->len] = '\0';
}

void buf_clear(struct buf *b)
{
	b->len = 0;
	b->failed = false;
	if (b->data != NULL)
		b->data[0] = '\0';
}

bool buf_ok(const struct buf *b)
{
	return !b->failed;
}

const char *buf_str(const struct buf *b)
{
	if (b->data == NULL)
		return "";
	b->data[b->len] = '\0'; /* what came by buf_reserve has none yet */
	return b->data;
}

char *buf_take(struct buf *b)
{
	char *taken = b->data != NULL ? b->data : mem_strdup("");

	taken[b->len] = '\0';
	buf_init(b, b->max);
	return taken;
}

void buf_free(struct buf *b)
{
	mem_free(b->data);
	buf_init(b, b->max);
}
