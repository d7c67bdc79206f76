#include "api/json.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "provider/jsonw.h"

#define MAX_TIME_MS INT64_C(253402300799999) /* the last millisecond of the year 9999 */

void json_int(struct buf *b, const char *name, int64_t n)
{
	jsonw_key(b, name);
	buf_add_int(b, n);
}

void json_int_or_null(struct buf *b, const char *name, int64_t n)
{
	jsonw_key(b, name);
	if (n < 0)
		buf_add_str(b, "null");
	else
		buf_add_int(b, n);
}

void json_bool(struct buf *b, const char *name, int yes)
{
	jsonw_key(b, name);
	buf_add_str(b, yes ? "true" : "false");
}

void json_real(struct buf *b, const char *name, double x)
{
	jsonw_key(b, name);
	if (isfinite(x))
		buf_addf(b, "%.6g", x);
	else
		buf_add_str(b, "null");
}

void json_text_or_null(struct buf *b, const char *name, const char *s)
{
	if (s != NULL && *s != '\0') {
		jsonw_pair(b, name, s);
		return;
	}
	jsonw_key(b, name);
	buf_add_str(b, "null");
}

void json_time(struct buf *b, const char *name, int64_t epoch_ms)
{
	time_t seconds = (time_t)(epoch_ms / 1000);
	struct tm tm;

	jsonw_key(b, name);
	if (epoch_ms <= 0 || epoch_ms > MAX_TIME_MS || gmtime_r(&seconds, &tm) == NULL) {
		buf_add_str(b, "null");
		return;
	}
	buf_addf(b, "\"%04d-%02d-%02dT%02d:%02d:%02d.%03dZ\"", tm.tm_year + 1900, tm.tm_mon + 1,
	         tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int)(epoch_ms % 1000));
}

void json_now(struct buf *b, const char *name)
{
	json_time(b, name, clock_wall_ms());
}
