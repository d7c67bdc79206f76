#include "provider/http_call.h"

#include <string.h>

#include "base/jsonw.h"
#include "base/mem.h"

#define MAX_CREDENTIALS 4096

void http_call_init(struct http_call *c, size_t max_body)
{
	memset(c, 0, sizeof(*c));
	buf_init(&c->url, HTTP_CALL_MAX_URL);
	buf_init(&c->headers, HTTP_CALL_MAX_HEADERS);
	buf_init(&c->body, max_body);
}

static void wipe(struct buf *b)
{
	if (b->data != NULL)
		mem_wipe(b->data, b->cap);
}

void http_call_clear(struct http_call *c)
{
	size_t max_body = c->body.max;

	c->get = false;
	wipe(&c->headers);
	buf_clear(&c->url);
	buf_clear(&c->headers);
	if (c->body.cap <= HTTP_CALL_KEPT) {
		buf_clear(&c->body);
		return;
	}
	buf_free(&c->body);
	buf_init(&c->body, max_body);
}

void http_call_free(struct http_call *c)
{
	wipe(&c->headers);
	buf_free(&c->url);
	buf_free(&c->headers);
	buf_free(&c->body);
}

void http_call_header(struct http_call *c, const char *name, const char *value)
{
	buf_add_str(&c->headers, name);
	buf_add_str(&c->headers, ": ");
	buf_add_str(&c->headers, value);
	buf_add_char(&c->headers, '\n');
}

void http_call_basic(struct http_call *c, const char *user, const char *password)
{
	char credentials[MAX_CREDENTIALS];
	size_t user_len = strlen(user), password_len = strlen(password);
	size_t n = user_len + 1 + password_len;

	if (n > sizeof(credentials)) {
		c->headers.failed = true;
		return;
	}
	memcpy(credentials, user, user_len);
	credentials[user_len] = ':';
	memcpy(credentials + user_len + 1, password, password_len);
	buf_add_str(&c->headers, "Authorization: Basic ");
	jsonw_add_base64(&c->headers, credentials, n);
	buf_add_char(&c->headers, '\n');
	mem_wipe(credentials, n);
}

bool http_call_ok(const struct http_call *c)
{
	return buf_ok(&c->url) && buf_ok(&c->headers) && buf_ok(&c->body);
}
