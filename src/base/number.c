#include "base/number.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

bool number_int(const char *text, int64_t *out)
{
	const char *digits = *text == '-' ? text + 1 : text;
	char *end;
	long long value;

	if (!is_digit(*digits)) /* strtoll would skip blanks and take a '+' */
		return false;
	errno = 0;
	value = strtoll(text, &end, 10);
	if (*end != '\0' || errno == ERANGE)
		return false;
	*out = value;
	return true;
}

/* Both the digits (up to 10^15) and the power of ten (up to 10^22) are exact in a double, so that
 * one division rounds correctly. strtod would ask the locale what the decimal point is. */
bool number_double(const char *text, double *out)
{
	const char *p = *text == '-' ? text + 1 : text;
	int64_t digits = 0;
	double scale = 1;
	int significant = 0, decimals = 0;
	bool point = false;

	if (!is_digit(*p))
		return false;
	for (; *p != '\0'; p++) {
		if (*p == '.' && !point && is_digit(p[1])) {
			point = true;
			continue;
		}
		if (!is_digit(*p))
			return false;
		digits = digits * 10 + (*p - '0');
		if (digits > 0 && ++significant > 15)
			return false;
		if (point) {
			if (++decimals > 22)
				return false;
			scale *= 10;
		}
	}
	*out = (double)digits / scale;
	if (*text == '-')
		*out = -*out;
	return true;
}

bool number_duration(const char *text, int64_t *ms)
{
	static const struct {
		const char *name;
		int64_t ms;
	} units[] = {{"", 1},      {"ms", 1},      {"s", 1000},
	             {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
	size_t digits = strspn(text, "0123456789");
	char number[24];
	int64_t n, product;

	if (digits >= sizeof(number))
		return false;
	memcpy(number, text, digits);
	number[digits] = '\0';
	if (!number_int(number, &n))
		return false;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(text + digits, units[i].name) != 0)
			continue;
		if (__builtin_mul_overflow(n, units[i].ms, &product))
			return false;
		*ms = product;
		return true;
	}
	return false;
}

char *number_before(char *end, int64_t n)
{
	uint64_t left = n < 0 ? -(uint64_t)n : (uint64_t)n;

	do {
		*--end = (char)('0' + left % 10);
		left /= 10;
	} while (left > 0);
	if (n < 0)
		*--end = '-';
	return end;
}
