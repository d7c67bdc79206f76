#include "provider/otlp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/jsonw.h"
#include "base/mem.h"
#include "base/number.h"
#include "base/uri.h"
#include "mail/trace_context.h"

#define SCOPE "{\"scope\":{\"name\":\"postrider\",\"version\":\"" POSTRIDER_VERSION "\"},"
#define TEXT_MAX 8192
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

#define PUT(O, LITERAL) otlp_put(O, OTLP_PIECE(LITERAL))
#define MAX_DIGITS 20

/* 00 to 99 */
static const char pairs[] = "00010203040506070809101112131415161718192021222324252627282930313233"
			    "34353637383940414243444546474849505152535455565758596061626364656667"
			    "6869707172737475767778798081828384858687888990919293949596979899";

static void add_number(struct otlp *o, uint64_t n)
{
	char digits[MAX_DIGITS], *at = digits + sizeof(digits);

	for (; n >= 100; n /= 100) {
		at -= 2;
		memcpy(at, pairs + n % 100 * 2, 2);
	}
	if (n >= 10) {
		at -= 2;
		memcpy(at, pairs + n * 2, 2);
	} else {
		*--at = (char)('0' + n);
	}
	otlp_put(o, at, (size_t)(digits + sizeof(digits) - at));
}

/* What stands in a JSON string as it is, of ASCII. */
static const bool plain[256] = {
	[' '] = true,
	[0x21] = true,
	[0x23 ... 0x5b] = true,
	[0x5d ... 0x7e] = true,
};

/* The inside of a JSON string. */
static void add_text(struct otlp *o, const char *s)
{
	const char *c = s;
	struct buf b;

	while (plain[(unsigned char)*c])
		c++;
	otlp_put(o, s, (size_t)(c - s));
	if (*c == '\0')
		return;
	buf_init(&b, TEXT_MAX);
	buf_add_json(&b, c, strlen(c));
	if (buf_ok(&b))
		otlp_put(o, b.data + 1, b.len - 2); /* without its quotes */
	else
		o->failed = true;
	buf_free(&b);
}

static void put_eight(char *to, uint32_t n)
{
	uint32_t high = n / 10000, low = n % 10000;

	memcpy(to, pairs + high / 100 * 2, 2);
	memcpy(to + 2, pairs + high % 100 * 2, 2);
	memcpy(to + 4, pairs + low / 100 * 2, 2);
	memcpy(to + 6, pairs + low % 100 * 2, 2);
}

/* Microseconds as a string of nanoseconds: JSON's numbers would lose some. From 2001 to 2286 there are 16 digits. */
static void add_time(struct otlp *o, int64_t us)
{
	char digits[16];

	if (us >= INT64_C(1000000000000000) && us < INT64_C(10000000000000000)) {
		put_eight(digits, (uint32_t)(us / 100000000));
		put_eight(digits + 8, (uint32_t)(us % 100000000));
		otlp_put(o, digits, sizeof(digits));
	} else {
		add_number(o, us > 0 ? (uint64_t)us : 1);
	}
	PUT(o, "000\"");
}

void otlp_begin(struct otlp *o, const struct otlp_span *s)
{
	PUT(o, "{\"traceId\":\"");
	otlp_put(o, s->trace_id, TRACE_ID_LEN);
	PUT(o, "\",\"spanId\":\"");
	otlp_put(o, s->span_id, TRACE_SPAN_LEN);
	if (s->parent_id[0] != '\0') {
		PUT(o, "\",\"parentSpanId\":\"");
		otlp_put(o, s->parent_id, TRACE_SPAN_LEN);
	}
	if (s->state != NULL && *s->state != '\0') {
		PUT(o, "\",\"traceState\":\"");
		add_text(o, s->state);
	}
	/* sampled, and whether the parent is remote: known, and so */
	if (s->remote)
		PUT(o, "\",\"flags\":769,\"name\":\"");
	else
		PUT(o, "\",\"flags\":257,\"name\":\"");
	otlp_put(o, s->verb, strlen(s->verb));
	if (*s->object != '\0') {
		PUT(o, " ");
		add_text(o, s->object);
	}
	PUT(o, "\",\"kind\":");
	add_number(o, s->kind);
	PUT(o, ",\"startTimeUnixNano\":\"");
	add_time(o, s->start_us);
	PUT(o, ",\"endTimeUnixNano\":\"");
	add_time(o, s->end_us > s->start_us ? s->end_us : s->start_us);
	PUT(o, ",\"attributes\":[");
}

void otlp_text(struct otlp *o, const char *head, size_t n, const char *value)
{
	if (value == NULL || *value == '\0')
		return;
	otlp_put(o, head, n);
	add_text(o, value);
	PUT(o, "\"}},");
}

void otlp_int(struct otlp *o, const char *head, size_t n, int64_t value)
{
	otlp_put(o, head, n);
	if (value < 0)
		PUT(o, "-");
	add_number(o, value < 0 ? -(uint64_t)value : (uint64_t)value);
	PUT(o, "\"}},");
}

void otlp_end(struct otlp *o, const char *error)
{
	if (error != NULL)
		OTLP_TEXT(o, "error.type", *error != '\0' ? error : "_OTHER");
	if (o->at[-1] == ',')
		o->at--;
	if (error != NULL)
		PUT(o, "],\"status\":{\"code\":2}},");
	else
		PUT(o, "]},");
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
