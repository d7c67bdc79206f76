#include "base/timestamp.h"

#include <stddef.h>
#include <string.h>
#include <time.h>

/* Reads exactly n digits. */
static bool take_digits(const char **at, int n, int *out)
{
	*out = 0;
	for (int i = 0; i < n; i++) {
		if (**at < '0' || **at > '9')
			return false;
		*out = *out * 10 + (*(*at)++ - '0');
	}
	return true;
}

static bool take(const char **at, char c)
{
	if (**at != c)
		return false;
	(*at)++;
	return true;
}

static bool is_leap(int year)
{
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static int month_days(int year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

	return month == 2 && is_leap(year) ? 29 : days[month - 1];
}

/* Days from 1970-01-01, by the Gregorian calendar without end. */
static int64_t epoch_days(int year, int month, int day)
{
	int64_t before = year - 1; /* whole years since 0001-01-01 */
	int64_t days;

	if (year == 0)
		days = -366;
	else
		days = before * 365 + before / 4 - before / 100 + before / 400;
	for (int m = 1; m < month; m++)
		days += month_days(year, m);
	return days + day - 1 - 719162; /* from 0001-01-01 to 1970-01-01 */
}

static bool take_date(const char **at, int64_t *days)
{
	int year, month, day;

	if (!take_digits(at, 4, &year) || !take(at, '-') || !take_digits(at, 2, &month) ||
	    !take(at, '-') || !take_digits(at, 2, &day))
		return false;
	if (month < 1 || month > 12 || day < 1 || day > month_days(year, month))
		return false;
	*days = epoch_days(year, month, day);
	return true;
}

static bool take_time(const char **at, int64_t *ms)
{
	int hour, minute, second, digit, scale = 100;

	if (!take_digits(at, 2, &hour) || !take(at, ':') || !take_digits(at, 2, &minute) ||
	    !take(at, ':') || !take_digits(at, 2, &second))
		return false;
	if (hour > 23 || minute > 59 || second > 60)
		return false;
	*ms = ((hour * 60 + minute) * 60 + second) * INT64_C(1000);
	if (!take(at, '.'))
		return true;
	if (!take_digits(at, 1, &digit))
		return false;
	do {
		*ms += digit * scale;
		scale /= 10;
	} while (take_digits(at, 1, &digit));
	return true;
}

/* "Z" or "+01:00", as minutes ahead of UTC. */
static bool take_offset(const char **at, int *minutes)
{
	int sign = **at == '-' ? -1 : 1, hour, minute;

	*minutes = 0;
	if (take(at, 'Z') || take(at, 'z'))
		return true;
	if (!take(at, '+') && !take(at, '-'))
		return false;
	if (!take_digits(at, 2, &hour) || !take(at, ':') || !take_digits(at, 2, &minute) ||
	    hour > 23 || minute > 59)
		return false;
	*minutes = sign * (hour * 60 + minute);
	return true;
}

bool timestamp_parse(const char *text, int64_t *ms)
{
	int64_t days, of_day;
	int ahead;

	if (!take_date(&text, &days))
		return false;
	if (!take(&text, 'T') && !take(&text, 't') && !take(&text, ' '))
		return false;
	if (!take_time(&text, &of_day) || !take_offset(&text, &ahead) || *text != '\0')
		return false;
	*ms = days * INT64_C(86400000) + of_day - ahead * INT64_C(60000);
	return true;
}

static void split(int64_t ms, struct tm *tm)
{
	time_t seconds = (time_t)(ms / 1000);

	gmtime_r(&seconds, tm);
}

static int64_t in_range(int64_t ms)
{
	if (ms < 0)
		return 0;
	return ms > TIMESTAMP_MAX_MS ? TIMESTAMP_MAX_MS : ms;
}

/* n in so many digits, and what follows them. Every answer of the API has such times, and snprintf takes many times
 * as long. */
static char *put(char *at, unsigned n, int digits, char after)
{
	for (int i = digits - 1; i >= 0; i--, n /= 10)
		at[i] = (char)('0' + n % 10);
	at[digits] = after;
	return at + digits + 1;
}

void timestamp_rfc3339(char out[TIMESTAMP_RFC3339_SIZE], int64_t ms)
{
	struct tm tm;
	char *at = out;

	ms = in_range(ms);
	split(ms, &tm);
	at = put(at, (unsigned)tm.tm_year + 1900, 4, '-');
	at = put(at, (unsigned)tm.tm_mon + 1, 2, '-');
	at = put(at, (unsigned)tm.tm_mday, 2, 'T');
	at = put(at, (unsigned)tm.tm_hour, 2, ':');
	at = put(at, (unsigned)tm.tm_min, 2, ':');
	at = put(at, (unsigned)tm.tm_sec, 2, '.');
	at = put(at, (unsigned)(ms % 1000), 3, 'Z');
	*at = '\0';
}

void timestamp_rfc5322(char out[TIMESTAMP_RFC5322_SIZE], int64_t ms)
{
	static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
	static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
	                                   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	struct tm tm;
	char *at = out;

	split(in_range(ms), &tm);
	/* Not strftime: names of days and months must not follow the locale. */
	memcpy(at, days[tm.tm_wday], 3);
	memcpy(at + 3, ", ", 2);
	at = put(at + 5, (unsigned)tm.tm_mday, 2, ' ');
	memcpy(at, months[tm.tm_mon], 3);
	at[3] = ' ';
	at = put(at + 4, (unsigned)tm.tm_year + 1900, 4, ' ');
	at = put(at, (unsigned)tm.tm_hour, 2, ':');
	at = put(at, (unsigned)tm.tm_min, 2, ':');
	at = put(at, (unsigned)tm.tm_sec, 2, ' ');
	memcpy(at, "+0000", 6);
}
