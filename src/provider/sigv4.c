#include "provider/sigv4.h"

#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "mail/digest.h"

#define MAX_REQUEST 16384
#define MAX_SECRET 256
#define DATE_LEN 8 /* "20150830", the beginning of "20150830T123600Z" */

struct stamp {
	char time[20];
	char date[DATE_LEN + 1];
};

static void stamp_fill(struct stamp *s, int64_t epoch_s)
{
	time_t t = (time_t)epoch_s;
	struct tm tm;

	memset(s, 0, sizeof(*s));
	if (gmtime_r(&t, &tm) == NULL)
		memset(&tm, 0, sizeof(tm));
	(void)strftime(s->time, sizeof(s->time), "%Y%m%dT%H%M%SZ", &tm);
	memcpy(s->date, s->time, DATE_LEN);
}

static void add_hex(struct buf *out, const unsigned char bytes[DIGEST_SIZE])
{
	for (size_t i = 0; i < DIGEST_SIZE; i++)
		buf_addf(out, "%02x", bytes[i]);
}

static void add_hash(struct buf *out, const void *bytes, size_t n)
{
	unsigned char hash[DIGEST_SIZE];

	digest_begin();
	digest_add(bytes, n);
	digest_end(hash);
	add_hex(out, hash);
}

static void hmac_text(unsigned char key[DIGEST_SIZE], const char *text)
{
	digest_hmac(key, key, DIGEST_SIZE, text, strlen(text));
}

static void signing_key(unsigned char out[DIGEST_SIZE], const struct sigv4_key *k, const char *date)
{
	char first[MAX_SECRET + 4];
	size_t n = strnlen(k->secret, MAX_SECRET);

	memcpy(first, "AWS4", 4);
	memcpy(first + 4, k->secret, n);
	digest_hmac(out, first, 4 + n, date, strlen(date));
	mem_wipe(first, sizeof(first));
	hmac_text(out, k->region);
	hmac_text(out, k->service);
	hmac_text(out, "aws4_request");
}

/* The headers that are signed, in the order of their names; values only when `lines`. */
static void add_signed(struct buf *out, const struct sigv4_key *k, const struct sigv4_request *r,
                       const struct stamp *s, bool lines)
{
	const struct {
		const char *name, *value;
	} headers[] = {{"content-type", r->content_type},
	               {"host", r->host},
	               {"x-amz-date", s->time},
	               {"x-amz-security-token", k->session_token}};
	bool first = true;

	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
		if (headers[i].value[0] == '\0')
			continue;
		if (lines)
			buf_addf(out, "%s:%s\n", headers[i].name, headers[i].value);
		else
			buf_addf(out, "%s%s", first ? "" : ";", headers[i].name);
		first = false;
	}
}

static void add_canonical(struct buf *out, const struct sigv4_key *k, const struct sigv4_request *r,
                          const struct stamp *s)
{
	buf_addf(out, "%s\n%s\n%s\n", r->method, r->path, r->query);
	add_signed(out, k, r, s, true);
	buf_add_char(out, '\n');
	add_signed(out, k, r, s, false);
	buf_add_char(out, '\n');
	add_hash(out, r->body, r->body_len);
}

void sigv4_sign(struct buf *headers, const struct sigv4_key *key, const struct sigv4_request *r)
{
	unsigned char secret[DIGEST_SIZE], signature[DIGEST_SIZE];
	struct buf canonical, scope, text;
	struct stamp s;

	stamp_fill(&s, r->epoch_s);
	buf_init(&canonical, MAX_REQUEST);
	buf_init(&scope, MAX_REQUEST);
	buf_init(&text, MAX_REQUEST);
	add_canonical(&canonical, key, r, &s);
	buf_addf(&scope, "%s/%s/%s/aws4_request", s.date, key->region, key->service);
	buf_addf(&text, "AWS4-HMAC-SHA256\n%s\n%s\n", s.time, buf_str(&scope));
	add_hash(&text, canonical.data, canonical.len);
	signing_key(secret, key, s.date);
	digest_hmac(signature, secret, sizeof(secret), text.data, text.len);

	buf_addf(headers, "X-Amz-Date: %s\n", s.time);
	if (key->session_token[0] != '\0')
		buf_addf(headers, "X-Amz-Security-Token: %s\n", key->session_token);
	buf_addf(headers, "Authorization: AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=",
	         key->access_key, buf_str(&scope));
	add_signed(headers, key, r, &s, false);
	buf_add_str(headers, ", Signature=");
	add_hex(headers, signature);
	buf_add_char(headers, '\n');
	headers->failed |= !buf_ok(&canonical) || !buf_ok(&scope) || !buf_ok(&text);
	mem_wipe(secret, sizeof(secret));
	if (canonical.data != NULL)
		mem_wipe(canonical.data, canonical.len); /* has the session token */
	buf_free(&canonical);
	buf_free(&scope);
	buf_free(&text);
}
