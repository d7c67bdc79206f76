#include "api/json.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/clock.h"
#include "mail/timestamp.h"
#include "provider/jsonw.h"

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
	char text[TIMESTAMP_RFC3339_SIZE];

	jsonw_key(b, name);
	if (epoch_ms <= 0 || epoch_ms > TIMESTAMP_MAX_MS) {
		buf_add_str(b, "null");
		return;
	}
	timestamp_rfc3339(text, epoch_ms);
	jsonw_str(b, text);
}

void json_now(struct buf *b, const char *name)
{
	json_time(b, name, clock_wall_ms());
}
