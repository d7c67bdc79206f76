#include "base/mem.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void *(*mem_hook)(void *p, size_t size) = realloc;

/* One for all who have nothing to say: most fields of most mails are empty. */
static char empty[1];

static NO_RETURN void out_of_memory(void)
{
	static const char text[] = "postrider: out of memory\n";

	/* Not the logger: it allocates. */
	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0) {
		/* Nobody is left to be told. */
	}
	abort();
}

void *mem_try(size_t size)
{
	return mem_hook(NULL, size > 0 ? size : 1);
}

void *mem_realloc(void *p, size_t size)
{
	/* realloc(p, 0) may free and return NULL, which would look like a failure. */
	void *moved = mem_hook(p == empty ? NULL : p, size > 0 ? size : 1);

	if (moved == NULL)
		out_of_memory();
	return moved;
}

void *mem_alloc(size_t size)
{
	return mem_realloc(NULL, size);
}

void *mem_zalloc(size_t size)
{
	void *p = mem_alloc(size);

	memset(p, 0, size);
	return p;
}

void *mem_array(size_t n, size_t size)
{
	size_t total;

	if (__builtin_mul_overflow(n, size, &total))
		out_of_memory();
	return mem_zalloc(total);
}

char *mem_strndup(const char *s, size_t n)
{
	char *copy;

	if (n == SIZE_MAX)
		out_of_memory();
	if (n == 0)
		return empty;
	copy = mem_alloc(n + 1);
	memcpy(copy, s, n);
	copy[n] = '\0';
	return copy;
}

char *mem_strdup(const char *s)
{
	return s == NULL ? NULL : mem_strndup(s, strlen(s));
}

char *mem_concat(const char *first, ...)
{
	size_t n = 0;
	char *text, *at;
	va_list parts;

	va_start(parts, first);
	for (const char *p = first; p != NULL; p = va_arg(parts, const char *))
		n += strlen(p);
	va_end(parts);
	text = at = mem_alloc(n + 1);
	va_start(parts, first);
	for (const char *p = first; p != NULL; p = va_arg(parts, const char *)) {
		n = strlen(p);
		memcpy(at, p, n);
		at += n;
	}
	va_end(parts);
	*at = '\0';
	return text;
}

char *mem_printf(const char *format, ...)
{
	va_list args;
	char *text;
	int n;

	va_start(args, format);
	n = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (n < 0)
		out_of_memory();
	text = mem_alloc((size_t)n + 1);
	va_start(args, format);
	vsnprintf(text, (size_t)n + 1, format, args);
	va_end(args);
	return text;
}

void mem_free(void *p)
{
	if (p != empty)
		free(p);
}

void mem_wipe(void *p, size_t size)
{
	if (p != NULL)
		explicit_bzero(p, size);
}

void mem_free_secret(char *s)
{
	if (s != NULL)
		mem_wipe(s, strlen(s));
	mem_free(s);
}
