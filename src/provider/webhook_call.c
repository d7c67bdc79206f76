#include "provider/webhook_call.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/jsonw.h"
#include "mail/digest.h"

#define MAX_SIGNED (WEBHOOK_MAX_BODY + 512)

void webhook_call_fill(struct http_call *c, const struct webhook_rules *r, const char *url,
                       const char *id, int64_t now_s, const char *body, size_t len)
{
	unsigned char sum[DIGEST_SIZE];
	struct buf whole;
	char now[24];

	snprintf(now, sizeof(now), "%" PRId64, now_s);
	buf_init(&whole, MAX_SIGNED);
	buf_addf(&whole, "%s.%s.", id, now);
	buf_add(&whole, body, len);
	buf_add_str(&c->url, url);
	buf_add(&c->body, body, len);
	http_call_header(c, "Content-Type", "application/json");
	http_call_header(c, "webhook-id", id);
	http_call_header(c, "webhook-timestamp", now);
	buf_add_str(&c->headers, "webhook-signature:");
	for (size_t i = 0; i < r->n_secrets; i++) {
		digest_hmac(sum, r->secrets[i].bytes, r->secrets[i].len, whole.data, whole.len);
		buf_add_str(&c->headers, " v1,");
		jsonw_add_base64(&c->headers, sum, sizeof(sum));
	}
	buf_add_char(&c->headers, '\n');
	c->headers.failed = c->headers.failed || !buf_ok(&whole);
	buf_free(&whole);
}
