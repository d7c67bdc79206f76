#include "api/media.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define WHOLE 1000

/* Weight of one element, "; charset=utf-8 ; q=0.5": thousandths (RFC 9110, 12.4.2). */
static int weight(const char *at, size_t n)
{
	for (size_t i = 0; i + 3 < n; i++) {
		int q, digit = 100;

		if (at[i] != ';')
			continue;
		while (i + 1 < n && (at[i + 1] == ' ' || at[i + 1] == '\t'))
			i++;
		if (i + 3 >= n || tolower((unsigned char)at[i + 1]) != 'q' || at[i + 2] != '=')
			continue;
		q = at[i + 3] == '1' ? WHOLE : 0;
		for (i += 4; q == 0 && i < n && (at[i] == '.' || isdigit((unsigned char)at[i]));
		     i++) {
			if (at[i] != '.') {
				q += (at[i] - '0') * digit;
				digit /= 10;
			}
		}
		return q;
	}
	return WHOLE;
}

static bool is(const char *at, size_t n, const char *type)
{
	return strlen(type) == n && strncasecmp(at, type, n) == 0;
}

static bool covers(const char *at, size_t n, const char *type)
{
	size_t family = strcspn(type, "/") + 1;

	return is(at, n, type) || is(at, n, "*/*") ||
	       (n == family + 1 && at[family] == '*' && strncasecmp(at, type, family) == 0);
}

bool media_prefers(const char *accept, const char *type, const char *other)
{
	int wanted = 0, else_wanted = 0;

	while (accept && *accept != '\0') {
		accept += strspn(accept, " \t");
		size_t n = strcspn(accept, ","), name = strcspn(accept, ",; \t");
		int q = weight(accept, n);

		if (is(accept, name, type))
			wanted = q;
		else if (covers(accept, name, other) && q > else_wanted)
			else_wanted = q;
		accept += n + (accept[n] == ',');
	}
	return wanted > 0 && wanted >= else_wanted;
}
