#include "provider/jsonw.h"

#include <openssl/evp.h>
#include <string.h>

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

void jsonw_pair(struct buf *b, const char *name, const char *value)
{
	jsonw_key(b, name);
	jsonw_str(b, value);
}

void jsonw_pair_if(struct buf *b, const char *name, const char *value)
{
	if (value != NULL && value[0] != '\0')
		jsonw_pair(b, name, value);
}
