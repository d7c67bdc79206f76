#include "cli/jsonout.h"

#include <stdio.h>
#include <unistd.h>

#include "cli/cmd.h"

#define INDENT 2

static void break_line(struct buf *out, size_t depth)
{
	buf_add_char(out, '\n');
	for (size_t i = 0; i < depth * INDENT; i++)
		buf_add_char(out, ' ');
}

/* The end of the string that begins at s, behind its quote. */
static const char *skip_string(const char *s)
{
	for (s++; *s != '"'; s++)
		s += *s == '\\';
	return s + 1;
}

/* What jsonw writes has no white space between its tokens. */
static void lay_out(struct buf *out, const char *s)
{
	size_t depth = 0;

	while (*s != '\0') {
		const char *end = *s == '"' ? skip_string(s) : s + 1;
		bool opens = *s == '{' || *s == '[', closes = *s == '}' || *s == ']';
		bool empty = opens && (*end == '}' || *end == ']');

		if (closes)
			break_line(out, --depth);
		end += empty;
		buf_add(out, s, (size_t)(end - s));
		if (opens && !empty)
			break_line(out, ++depth);
		else if (*s == ',')
			break_line(out, depth);
		else if (*s == ':')
			buf_add_char(out, ' ');
		s = end;
	}
}

void jsonout_print(struct buf *json)
{
	struct buf text;

	buf_init(&text, 8 * JSONOUT_MAX);
	if (!buf_ok(json))
		(void)cmd_fail(CMD_NO, "the answer is too large to be printed as JSON");
	else if (isatty(STDOUT_FILENO))
		lay_out(&text, buf_str(json));
	else
		buf_add(&text, json->data, json->len);
	if (text.len > 0)
		puts(buf_str(&text));
	fflush(stdout);
	buf_free(&text);
	buf_free(json);
}
