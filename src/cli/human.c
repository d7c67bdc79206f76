#include "cli/human.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/number.h"
#include "base/timestamp.h"
#include "base/utf8.h"

#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define MAX_DURATION (3650 * DAY)

const char *human_duration(char out[HUMAN_SIZE], int64_t ms)
{
	static const struct {
		int64_t size, smaller;
		const char *unit, *smaller_unit;
	} steps[] = {{DAY, HOUR, "d", "h"}, {HOUR, MINUTE, "h", "m"}, {MINUTE, SECOND, "m", "s"}};

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		int64_t rest = ms % steps[i].size / steps[i].smaller;

		if (ms < steps[i].size)
			continue;
		if (rest > 0)
			snprintf(out, HUMAN_SIZE, "%" PRId64 "%s %" PRId64 "%s", ms / steps[i].size,
			         steps[i].unit, rest, steps[i].smaller_unit);
		else
			snprintf(out, HUMAN_SIZE, "%" PRId64 "%s", ms / steps[i].size,
			         steps[i].unit);
		return out;
	}
	if (ms > 0 && ms < 10 * SECOND)
		snprintf(out, HUMAN_SIZE, "%" PRId64 ".%" PRId64 "s", ms / SECOND,
		         ms % SECOND / 100);
	else
		snprintf(out, HUMAN_SIZE, "%" PRId64 "s", ms > 0 ? ms / SECOND : 0);
	return out;
}

bool human_parse_duration(const char *text, int64_t *ms)
{
	size_t digits = strspn(text, "0123456789");
	int64_t n;

	/* A person who writes no unit may mean any. */
	if (text[digits] == '\0' || !number_duration(text, &n) || n > MAX_DURATION)
		return false;
	*ms = n;
	return true;
}

const char *human_time(char out[HUMAN_SIZE], int64_t epoch_ms)
{
	time_t seconds = (time_t)(epoch_ms / SECOND);
	struct tm tm;

	if (localtime_r(&seconds, &tm) == NULL ||
	    strftime(out, HUMAN_SIZE, "%Y-%m-%d %H:%M:%S", &tm) == 0)
		snprintf(out, HUMAN_SIZE, "%" PRId64, epoch_ms);
	return out;
}

const char *human_iso(char out[HUMAN_SIZE], int64_t epoch_ms)
{
	timestamp_rfc3339(out, epoch_ms);
	return out;
}

/* The code point of a valid character of two or three bytes; 0 for others. */
static unsigned code_point(const char *s, size_t width)
{
	const unsigned char *u = (const unsigned char *)s;

	if (width == 2)
		return (u[0] & 0x1fU) << 6 | (u[1] & 0x3fU);
	if (width == 3)
		return (u[0] & 0x0fU) << 12 | (u[1] & 0x3fU) << 6 | (u[2] & 0x3fU);
	return 0;
}

static bool is_harmless(const char *s, size_t width)
{
	unsigned c = code_point(s, width);

	if (width == 1)
		return (unsigned char)*s >= 0x20 && *s != 0x7f;
	return !(c >= 0x80 && c <= 0x9f) &&     /* controls */
	       !(c >= 0x2028 && c <= 0x202e) && /* line ends, embeddings and overrides */
	       !(c >= 0x2066 && c <= 0x2069) && /* isolates */
	       c != 0x200e && c != 0x200f;      /* marks of direction */
}

void human_text(struct buf *out, const char *s, size_t n)
{
	for (size_t i = 0; i < n;) {
		size_t width = utf8_width(s + i, n - i);

		if (width > 0 && is_harmless(s + i, width))
			buf_add(out, s + i, width);
		else
			buf_add_str(out, UTF8_REPLACEMENT);
		i += width > 0 ? width : 1;
	}
}
