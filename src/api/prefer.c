#include "api/prefer.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

#define BLANKS " \t"
#define NAME "wait"

/* The length of one preference: up to a comma that is not quoted. */
static size_t preference_length(const char *text)
{
	bool quoted = false;
	size_t n = 0;

	for (; text[n] != '\0' && (quoted || text[n] != ','); n++) {
		if (quoted && text[n] == '\\' && text[n + 1] != '\0')
			n++;
		else if (text[n] == '"')
			quoted = !quoted;
	}
	return n;
}

/* `10` or `"10"`, up to the parameters; 0: something else. */
static int64_t read_seconds(const char *text, size_t n)
{
	int64_t seconds = 0;
	size_t i = n > 0 && *text == '"', first = i;

	for (; i < n && text[i] >= '0' && text[i] <= '9'; i++)
		if (seconds <= PREFER_MAX_WAIT_S)
			seconds = seconds * 10 + (text[i] - '0');
	if (i == first || (first == 1 && (i == n || text[i++] != '"')))
		return 0;
	while (i < n && strchr(BLANKS, text[i]) != NULL)
		i++;
	if (i < n && text[i] != ';')
		return 0;
	return seconds < PREFER_MAX_WAIT_S ? seconds : PREFER_MAX_WAIT_S;
}

int64_t prefer_wait(const char *text)
{
	while (text != NULL && *text != '\0') {
		size_t n = preference_length(text), blanks = strspn(text, BLANKS), name;

		name = strcspn(text + blanks, "=;," BLANKS);
		if (name == strlen(NAME) && strncasecmp(text + blanks, NAME, name) == 0) {
			const char *at = text + blanks + name;

			at += strspn(at, BLANKS);
			if (*at != '=')
				return 0;
			at++;
			at += strspn(at, BLANKS);
			return at <= text + n ? read_seconds(at, (size_t)(text + n - at)) : 0;
		}
		text += n + (text[n] == ',');
	}
	return 0;
}
