#include "provider/http_reply.h"

#include <ctype.h>
#include <curl/curl.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/number.h"

#define MAX_WAIT_S INT64_C(31536000) /* a year: beyond that it is no wait */

void http_reply_init(struct http_reply *r)
{
	memset(r, 0, sizeof(*r));
	buf_init(&r->headers, HTTP_REPLY_MAX_HEADERS);
	buf_init(&r->body, HTTP_REPLY_MAX_BODY);
}

void http_reply_clear(struct http_reply *r)
{
	r->status = 0;
	r->complete = false;
	buf_clear(&r->headers);
	buf_clear(&r->body);
}

void http_reply_free(struct http_reply *r)
{
	buf_free(&r->headers);
	buf_free(&r->body);
}

/* "HTTP/1.1 202 Accepted": the number. */
static int status_of(const char *line, size_t n)
{
	const char *blank = memchr(line, ' ', n);
	size_t at = blank == NULL ? n : (size_t)(blank - line) + 1;
	int status = 0;

	for (size_t i = at; i < n && i < at + 3 && isdigit((unsigned char)line[i]); i++)
		status = status * 10 + (line[i] - '0');
	return status;
}

bool http_reply_line(struct http_reply *r, const char *line, size_t n)
{
	while (n > 0 && (line[n - 1] == '\r' || line[n - 1] == '\n'))
		n--;
	if (n == 0)
		return true;
	if (n >= 5 && memcmp(line, "HTTP/", 5) == 0) {
		http_reply_clear(r);
		r->status = status_of(line, n);
		return false;
	}
	/* Whole lines only: half a header could say something else. */
	if (n + 1 <= r->headers.max - r->headers.len) {
		buf_add(&r->headers, line, n);
		buf_add_char(&r->headers, '\n');
	}
	return false;
}

bool http_reply_body(struct http_reply *r, const char *bytes, size_t n)
{
	size_t room = r->body.max - r->body.len;

	buf_add(&r->body, bytes, n < room ? n : room);
	return n <= room;
}

const char *http_reply_header(const struct http_reply *r, const char *name, char *out, size_t size)
{
	size_t name_len = strlen(name), len;
	const char *line = buf_str(&r->headers), *end;

	for (; *line != '\0'; line = *end == '\n' ? end + 1 : end) {
		end = strchrnul(line, '\n');
		if ((size_t)(end - line) <= name_len || line[name_len] != ':' ||
		    strncasecmp(line, name, name_len) != 0)
			continue;
		line += name_len + 1;
		while (line < end && (*line == ' ' || *line == '\t'))
			line++;
		len = (size_t)(end - line);
		while (len > 0 && (line[len - 1] == ' ' || line[len - 1] == '\t'))
			len--;
		if (len > size - 1)
			len = size - 1;
		memcpy(out, line, len);
		out[len] = '\0';
		return out;
	}
	out[0] = '\0';
	return out;
}

cJSON *http_reply_json(const struct http_reply *r)
{
	cJSON *object = cJSON_ParseWithLength(buf_str(&r->body), r->body.len);

	if (object != NULL && !cJSON_IsObject(object)) {
		cJSON_Delete(object);
		return NULL;
	}
	return object;
}

const char *http_reply_text(const cJSON *object, const char *name)
{
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));

	return text != NULL ? text : "";
}

int64_t http_reply_until(const struct http_reply *r, int64_t epoch_s)
{
	char date[64];
	int64_t now = curl_getdate(http_reply_header(r, "Date", date, sizeof(date)), NULL);

	if (now <= 0)
		now = clock_wall_ms() / 1000;
	if (epoch_s <= now || epoch_s - now > MAX_WAIT_S)
		return 0;
	return (epoch_s - now) * 1000;
}

int64_t http_reply_retry_after(const struct http_reply *r)
{
	char value[64];
	int64_t s;

	http_reply_header(r, "Retry-After", value, sizeof(value));
	if (value[0] == '\0')
		return 0;
	if (number_int(value, &s))
		return s > 0 && s <= MAX_WAIT_S ? s * 1000 : 0;
	return http_reply_until(r, curl_getdate(value, NULL));
}
