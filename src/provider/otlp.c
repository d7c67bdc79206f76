#include "provider/otlp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/number.h"
#include "base/uri.h"
#include "mail/trace_context.h"
#include "provider/jsonw.h"

#define SCOPE "{\"scope\":{\"name\":\"postrider\",\"version\":\"" POSTRIDER_VERSION "\"},"
#define LITERAL(B, TEXT) buf_add(B, TEXT, sizeof(TEXT) - 1)

/* ---- the body -------------------------------------------------------------------------------- */

void otlp_open(struct buf *b, const char *attributes)
{
	LITERAL(b, "{\"resourceSpans\":[{\"resource\":{\"attributes\":[");
	buf_add_str(b, attributes);
	LITERAL(b, "]},\"scopeSpans\":[" SCOPE "\"spans\":[");
}

void otlp_close(struct buf *b)
{
	LITERAL(b, "],\"schemaUrl\":\"" OTLP_SCHEMA "\"}],\"schemaUrl\":\"" OTLP_SCHEMA "\"}]}");
}

static void add_resource(struct buf *b, const char *name, const char *value)
{
	jsonw_open(b, '{');
	jsonw_pair(b, "key", name);
	jsonw_key(b, "value");
	jsonw_open(b, '{');
	jsonw_pair(b, "stringValue", value);
	jsonw_close(b, '}');
	jsonw_close(b, '}');
}

static bool is_ours(const char *name)
{
	return strcmp(name, "service.version") == 0 || strcmp(name, "service.instance.id") == 0;
}

/* One name=value; *service: it names the service, which it may if nobody else does. */
static bool add_extra(struct buf *b, const char *text, size_t n, bool *service)
{
	const char *equals = memchr(text, '=', n);
	char *name = NULL, *value = NULL;
	struct error err;
	bool ok;

	if (equals == NULL || equals == text)
		return false;
	ok = uri_decode(text, (size_t)(equals - text), "name", &name, &err) &&
	     uri_decode(equals + 1, n - (size_t)(equals + 1 - text), "value", &value, &err);
	if (ok && strcmp(name, "service.name") == 0) {
		if (!*service)
			add_resource(b, name, value);
		*service = true;
	} else if (ok && !is_ours(name)) {
		add_resource(b, name, value);
	}
	mem_free(name);
	mem_free(value);
	return ok;
}

bool otlp_resource(struct buf *b, const char *service, const char *extra, const char *instance)
{
	bool named = *service != '\0';

	if (named)
		add_resource(b, "service.name", service);
	add_resource(b, "service.version", POSTRIDER_VERSION);
	add_resource(b, "service.instance.id", instance);
	while (*extra != '\0') {
		size_t n;

		extra += strspn(extra, ", ");
		n = strcspn(extra, ",");
		while (n > 0 && extra[n - 1] == ' ')
			n--;
		if (n > 0 && !add_extra(b, extra, n, &named))
			return false;
		extra += strcspn(extra, ",");
	}
	if (!named)
		add_resource(b, "service.name", "postrider");
	return true;
}

/* ---- a span ---------------------------------------------------------------------------------- */

/* Microseconds as a string of nanoseconds: JSON's numbers would lose some. */
static void add_time(struct buf *b, int64_t us)
{
	buf_add_int(b, us > 0 ? us : 1);
	LITERAL(b, "000\"");
}

void otlp_begin(struct buf *b, const struct otlp_span *s)
{
	size_t blank;

	LITERAL(b, "{\"traceId\":\"");
	buf_add(b, s->trace_id, TRACE_ID_LEN);
	LITERAL(b, "\",\"spanId\":\"");
	buf_add(b, s->span_id, TRACE_SPAN_LEN);
	if (s->parent_id[0] != '\0') {
		LITERAL(b, "\",\"parentSpanId\":\"");
		buf_add(b, s->parent_id, TRACE_SPAN_LEN);
	}
	/* sampled, and whether the parent is remote: known, and so */
	if (s->remote)
		LITERAL(b, "\",\"flags\":769,\"name\":\"");
	else
		LITERAL(b, "\",\"flags\":257,\"name\":\"");
	buf_add_str(b, s->verb);
	blank = b->len;
	buf_add_json(b, s->object, strlen(s->object));
	if (buf_ok(b))
		b->data[blank] = ' '; /* in place of the quote that opens it */
	LITERAL(b, ",\"kind\":");
	buf_add_char(b, (char)('0' + s->kind));
	LITERAL(b, ",\"startTimeUnixNano\":\"");
	add_time(b, s->start_us);
	LITERAL(b, ",\"endTimeUnixNano\":\"");
	add_time(b, s->end_us > s->start_us ? s->end_us : s->start_us);
	LITERAL(b, ",\"attributes\":[");
}

static void separate(struct buf *b)
{
	if (b->len > 0 && b->data[b->len - 1] == '}')
		buf_add_char(b, ',');
}

void otlp_text(struct buf *b, const char *head, const char *value)
{
	if (value == NULL || *value == '\0')
		return;
	separate(b);
	buf_add_str(b, head);
	buf_add_json(b, value, strlen(value));
	LITERAL(b, "}}");
}

void otlp_int(struct buf *b, const char *head, int64_t value)
{
	separate(b);
	buf_add_str(b, head);
	buf_add_int(b, value);
	LITERAL(b, "\"}}");
}

void otlp_end(struct buf *b, const char *error)
{
	if (error != NULL) {
		OTLP_TEXT(b, "error.type", *error != '\0' ? error : "_OTHER");
		LITERAL(b, "],\"status\":{\"code\":2}}");
	} else {
		LITERAL(b, "]}");
	}
}

/* ---- the answer ------------------------------------------------------------------------------ */

int64_t otlp_refused(const struct http_reply *r, char why[OTLP_MAX_WHY])
{
	cJSON *body = http_reply_json(r);
	const cJSON *partial = cJSON_GetObjectItemCaseSensitive(body, "partialSuccess");
	const cJSON *n = cJSON_GetObjectItemCaseSensitive(partial, "rejectedSpans");
	int64_t refused = 0;

	/* The protocol's 64-bit numbers are strings in JSON; some servers write numbers. */
	if (cJSON_IsNumber(n) && n->valuedouble > 0 && n->valuedouble < 1e15)
		refused = (int64_t)n->valuedouble;
	else if (cJSON_IsString(n) && !number_int(n->valuestring, &refused))
		refused = 0;
	snprintf(why, OTLP_MAX_WHY, "%s", http_reply_text(partial, "errorMessage"));
	cJSON_Delete(body);
	return refused > 0 ? refused : 0;
}
