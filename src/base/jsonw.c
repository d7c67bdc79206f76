#include "base/jsonw.h"

#include <math.h>
#include <openssl/evp.h>
#include <string.h>

#include "base/clock.h"
#include "base/timestamp.h"

#define BASE64_STEP ((size_t)3 << 20) /* bytes at once: EVP_EncodeBlock counts in int */

/* A comma, unless it is the first in its brackets or the value of a key. */
static void separate(struct buf *b)
{
	if (b->len > 0 && strchr("{[:", b->data[b->len - 1]) == NULL)
		buf_add_char(b, ',');
}

void jsonw_open(struct buf *b, char bracket)
{
	separate(b);
	buf_add_char(b, bracket);
}

void jsonw_close(struct buf *b, char bracket)
{
	buf_add_char(b, bracket);
}

void jsonw_strn(struct buf *b, const char *s, size_t n)
{
	separate(b);
	buf_add_json(b, s, n);
}

void jsonw_str(struct buf *b, const char *s)
{
	jsonw_strn(b, s, strlen(s));
}

void jsonw_key(struct buf *b, const char *name)
{
	jsonw_str(b, name);
	buf_add_char(b, ':');
}

void jsonw_int(struct buf *b, int64_t n)
{
	separate(b);
	buf_add_int(b, n);
}

void jsonw_null(struct buf *b)
{
	separate(b);
	buf_add_str(b, "null");
}

void jsonw_raw(struct buf *b, const struct buf *json)
{
	separate(b);
	buf_add(b, json->data, json->len);
	b->failed = b->failed || json->failed;
}

void jsonw_bool(struct buf *b, bool yes)
{
	separate(b);
	buf_add_str(b, yes ? "true" : "false");
}

void jsonw_add_base64(struct buf *b, const void *bytes, size_t n)
{
	const unsigned char *from = bytes;
	char *to = n <= b->max ? buf_reserve(b, (n + 2) / 3 * 4) : NULL;

	if (to == NULL) {
		b->failed = true;
		return;
	}
	while (n > 0) {
		size_t step = n < BASE64_STEP ? n : BASE64_STEP;
		int len = EVP_EncodeBlock((unsigned char *)to, from, (int)step);

		to += len;
		b->len += (size_t)len;
		from += step;
		n -= step;
	}
}

void jsonw_base64(struct buf *b, const void *bytes, size_t n)
{
	separate(b);
	buf_add_char(b, '"');
	jsonw_add_base64(b, bytes, n);
	buf_add_char(b, '"');
}

/* --- members ------------------------------------------------------------------------------------------------- */

void jsonw_pair(struct buf *b, const char *name, const char *s)
{
	jsonw_key(b, name);
	jsonw_str(b, s);
}

void jsonw_pair_if(struct buf *b, const char *name, const char *s)
{
	if (s != NULL && s[0] != '\0')
		jsonw_pair(b, name, s);
}

void jsonw_pair_or_null(struct buf *b, const char *name, const char *s)
{
	jsonw_key(b, name);
	if (s != NULL && s[0] != '\0')
		jsonw_str(b, s);
	else
		jsonw_null(b);
}

void jsonw_pair_int(struct buf *b, const char *name, int64_t n)
{
	jsonw_key(b, name);
	jsonw_int(b, n);
}

void jsonw_pair_int_or_null(struct buf *b, const char *name, int64_t n)
{
	jsonw_key(b, name);
	if (n < 0)
		jsonw_null(b);
	else
		jsonw_int(b, n);
}

void jsonw_pair_bool(struct buf *b, const char *name, bool yes)
{
	jsonw_key(b, name);
	jsonw_bool(b, yes);
}

void jsonw_pair_real(struct buf *b, const char *name, double x)
{
	jsonw_key(b, name);
	if (isfinite(x))
		buf_addf(b, "%.6g", x);
	else
		jsonw_null(b);
}

void jsonw_pair_time(struct buf *b, const char *name, int64_t epoch_ms)
{
	char text[TIMESTAMP_RFC3339_SIZE];

	jsonw_key(b, name);
	if (epoch_ms <= 0 || epoch_ms > TIMESTAMP_MAX_MS) {
		jsonw_null(b);
		return;
	}
	timestamp_rfc3339(text, epoch_ms);
	jsonw_str(b, text);
}

void jsonw_pair_now(struct buf *b, const char *name)
{
	jsonw_pair_time(b, name, clock_wall_ms());
}
