#include "cli/jsonout.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/utf8.h"
#include "cli/human.h"

#define MAX_TEXT ((size_t)1 << 30)

/* cJSON answers NULL only when there is no memory: there is nothing to go on with. */
static cJSON *made(cJSON *value)
{
	if (value == NULL) {
		fputs("postrider: out of memory\n", stderr);
		abort();
	}
	return value;
}

cJSON *jsonout_object(void)
{
	return made(cJSON_CreateObject());
}

cJSON *jsonout_array(void)
{
	return made(cJSON_CreateArray());
}

static cJSON *text_new(const char *s, size_t n)
{
	struct buf clean;
	cJSON *value;

	buf_init(&clean, MAX_TEXT);
	for (size_t i = 0; i < n;) {
		size_t width = utf8_width(s + i, n - i);

		if (width > 0 && s[i] != '\0')
			buf_add(&clean, s + i, width);
		else
			buf_add_str(&clean, UTF8_REPLACEMENT);
		i += width > 0 ? width : 1;
	}
	value = made(cJSON_CreateString(buf_str(&clean)));
	buf_free(&clean);
	return value;
}

void jsonout_add(cJSON *object, const char *name, cJSON *child)
{
	(void)cJSON_AddItemToObject(object, name, child);
}

void jsonout_append(cJSON *array, cJSON *child)
{
	(void)cJSON_AddItemToArray(array, child);
}

void jsonout_append_text(cJSON *array, const char *s)
{
	jsonout_append(array, text_new(s, strlen(s)));
}

void jsonout_bytes(cJSON *object, const char *name, const char *s, size_t n)
{
	jsonout_add(object, name, text_new(s, n));
}

void jsonout_text(cJSON *object, const char *name, const char *s)
{
	if (s == NULL || *s == '\0')
		jsonout_add(object, name, made(cJSON_CreateNull()));
	else
		jsonout_bytes(object, name, s, strlen(s));
}

void jsonout_int(cJSON *object, const char *name, int64_t n)
{
	jsonout_add(object, name, made(cJSON_CreateNumber((double)n)));
}

void jsonout_int_or_null(cJSON *object, const char *name, int64_t n)
{
	jsonout_add(object, name, made(n < 0 ? cJSON_CreateNull() : cJSON_CreateNumber((double)n)));
}

void jsonout_bool(cJSON *object, const char *name, int yes)
{
	jsonout_add(object, name, made(cJSON_CreateBool(yes)));
}

void jsonout_time(cJSON *object, const char *name, int64_t epoch_ms)
{
	char text[HUMAN_SIZE];

	jsonout_text(object, name, epoch_ms > 0 ? human_iso(text, epoch_ms) : NULL);
}

void jsonout_print(cJSON *value)
{
	char *text = isatty(STDOUT_FILENO) ? cJSON_Print(value) : cJSON_PrintUnformatted(value);

	if (text != NULL)
		puts(text);
	fflush(stdout);
	cJSON_free(text);
	cJSON_Delete(value);
}
