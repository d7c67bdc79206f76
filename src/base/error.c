#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

/* Names from outside ride along in errors: a newline in one must not forge a second record. */
static void keep_one_line(char *text)
{
	for (char *p = text; *p != '\0'; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = ' ';
}

/* Made aside first, because the arguments may point into the error that is replaced. */
static void replace(struct error *err, char *text)
{
	size_t len = strlen(text);

	keep_one_line(text);
	len = utf8_cut(text, len, sizeof(err->text) - 1);
	memcpy(err->text, text, len);
	err->text[len] = '\0';
}

bool error_set(struct error *err, const char *format, ...)
{
	char text[2 * sizeof(err->text)];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	replace(err, text);
	return false;
}

bool error_prefix(struct error *err, const char *format, ...)
{
	char text[2 * sizeof(err->text)];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (n >= 0 && (size_t)n < sizeof(text))
		snprintf(text + n, sizeof(text) - (size_t)n, ": %s", err->text);
	replace(err, text);
	return false;
}
